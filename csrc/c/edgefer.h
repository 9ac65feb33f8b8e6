/* The kernels for programs without Python: C99, and C++. docs/embedding.md shows how to build and link them.
 *
 * Common to all functions
 *
 *   Status     A function that can fail returns EDGEFER_OK or says what was wrong; edgefer_last_error() then has one
 *              line about it. Every argument is checked before anything is written, except what no library can check:
 *              that a pointer leads to as much memory as its sizes say.
 *   Images     A pointer to the first pixel of the first row, height and width in pixels (1 to 2147483647), and a
 *              row stride: elements, not bytes, from one row to the next. It may be negative (the image is upside
 *              down in memory) and is not read when there is one row. Rows of inputs may overlap, even with a stride
 *              of 0; rows of outputs may not.
 *   Outputs    The caller's. They share no memory with an input or with one another, counted from the first to the last
 *              byte of each. Nothing but the pixels of a row is written.
 *   Memory     Pointers are aligned as their type asks. Nothing that was passed in is kept after the return. Working
 *              memory is allocated where stated and freed before the return.
 *   Threads    Every function may run on several threads at once. edgefer_last_error and edgefer_use_variant
 *              belong to the calling thread.
 *   Results    Every variant gives the same: integers and floats bit for bit.
 */
#ifndef EDGEFER_H
#define EDGEFER_H

#include <stddef.h>
#include <stdint.h>

#define EDGEFER_VERSION "0.1.0"
/* Counts up when a program compiled with an older header would no longer work. */
#define EDGEFER_ABI_VERSION 1

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

/* Choices are plain ints, so that a wrong one is a value that can be refused. */
typedef int edgefer_status;
enum {
  EDGEFER_OK = 0,
  EDGEFER_BAD_ARGUMENT = 1, /* null, out of range, overlapping, misaligned, or unknown */
  EDGEFER_NO_MEMORY = 2,    /* no room for working memory */
  EDGEFER_BAD_ISA = 3,      /* the environment variable EDGEFER_ISA, or edgefer_use_variant, names what is not here */
  EDGEFER_FAILED = 4        /* anything else; a bug */
};

/* What stands beyond the edge: aaa|abcd|ddd or dcb|abcd|cba. A side of one pixel replicates. */
typedef int edgefer_border;
enum { EDGEFER_BORDER_REPLICATE = 0, EDGEFER_BORDER_REFLECT101 = 1 };

/* ------------------------------------------------------------------------------------------------- the library */

const char* edgefer_version(void); /* EDGEFER_VERSION and EDGEFER_ABI_VERSION as the library was compiled */
int edgefer_abi_version(void);

/* One line about the last call on this thread that failed: "sobel: height must be at least 1, got 0". Empty before the
 * first failure, kept until the next one. */
const char* edgefer_last_error(void);

/* Names of the operations, best variant first of one operation: arrays that end with NULL and live as long as the
 * library. NULL, with an error, for an unknown operation. */
const char* const* edgefer_operations(void);
const char* const* edgefer_variants(const char* operation);

/* The variant that runs on this thread: the best one, or the best that needs no more than the environment variable
 * EDGEFER_ISA allows, or the one of edgefer_use_variant. NULL, with an error, for an unknown operation or a bad
 * EDGEFER_ISA. */
const char* edgefer_active(const char* operation);

/* For tests: from now on this thread runs the named variant of every operation (an operation without it returns
 * EDGEFER_BAD_ISA); NULL gives the choice back. */
edgefer_status edgefer_use_variant(const char* variant);

/* --------------------------------------------------------------------------------------------- gradients, corners */

/* gx and gy of the 3x3 Sobel operator, [1 2 1] across [-1 0 1]: -1020 to 1020. */
edgefer_status edgefer_sobel(const uint8_t* image, ptrdiff_t height, ptrdiff_t width, ptrdiff_t image_stride,
                             edgefer_border border, int16_t* gx, ptrdiff_t gx_stride, int16_t* gy, ptrdiff_t gy_stride);

/* aperture 1 is [0 1 0; 1 -4 1; 0 1 0], -1020 to 1020; aperture 3 is [2 0 2; 0 -8 0; 2 0 2], -2040 to 2040. */
edgefer_status edgefer_laplacian(const uint8_t* image, ptrdiff_t height, ptrdiff_t width, ptrdiff_t image_stride,
                                 int aperture, edgefer_border border, int16_t* out, ptrdiff_t out_stride);

/* edgefer_sobel and edgefer_laplacian in one pass over the image. */
edgefer_status edgefer_gradients(const uint8_t* image, ptrdiff_t height, ptrdiff_t width, ptrdiff_t image_stride,
                                 int aperture, edgefer_border border, int16_t* gx, ptrdiff_t gx_stride, int16_t* gy,
                                 ptrdiff_t gy_stride, int16_t* laplacian, ptrdiff_t laplacian_stride);

/* Corner score of every pixel: the smaller eigenvalue of its structure tensor over a square window of block_size
 * pixels (odd, 3 to 15), in the scale of OpenCV's cornerMinEigenVal. Working memory: a few rows. */
edgefer_status edgefer_shi_tomasi(const uint8_t* image, ptrdiff_t height, ptrdiff_t width, ptrdiff_t image_stride,
                                  int block_size, edgefer_border border, float* score, ptrdiff_t score_stride);

typedef struct edgefer_corner {
  int32_t x, y;
} edgefer_corner;

/* Local maxima of the score (border reflect101) above quality_level (> 0) times the best one, best first, at least
 * min_distance (>= 0) pixels apart; both finite. Fewer than 2^31 pixels. mask is NULL, or has the image's size and is
 * not 0 where a corner may be. Writes at most max_corners (>= 1) corners and their number. Working memory: up to 9
 * bytes a pixel and a few rows. */
edgefer_status edgefer_good_corners(const uint8_t* image, ptrdiff_t height, ptrdiff_t width, ptrdiff_t image_stride,
                                    const uint8_t* mask, ptrdiff_t mask_stride, double quality_level,
                                    double min_distance, int block_size, edgefer_corner* corners, ptrdiff_t max_corners,
                                    ptrdiff_t* corner_count);

/* Where points of one image are in another of the same size (3 to 32768 pixels a side), by pyramidal Lucas-Kanade with
 * a window of odd side, 3 to 13, on 1 to 5 levels. points and there hold x and y of each point, at least one; points
 * lie inside, 0 <= x <= width - 1, likewise y. error is the distance between a point and where the way back from
 * `there` ends, or infinity for a point that is lost: too little texture, or outside `after`; its `there` is without
 * meaning. Working memory: both images with their pyramids, about 3 bytes a pixel. */
edgefer_status edgefer_flow(const uint8_t* before, ptrdiff_t height, ptrdiff_t width, ptrdiff_t before_stride,
                            const uint8_t* after, ptrdiff_t after_stride, const float* points, ptrdiff_t point_count,
                            int window, int levels, float* there, float* error);

/* ---------------------------------------------------------------------------------------------------------- faces */

/* A boosted cascade of Haar-like features, prepared once: a window of width x height pixels (3 to 32 each), and
 * tree_count trees in stage_count stages, stage_trees of them (at least 1) in each stage. A tree has two nodes:
 *   rectangles  (tree_count, 2, 3, 4): left, top, right and bottom, inside the window, exclusive at the end, of three
 *               rectangles a node
 *   weights     (tree_count, 2, 3): of the rectangles; 0 for one that is not there
 *   thresholds  (tree_count, 2)
 *   leaves      (tree_count, 4): first node below its threshold and second below its own, or not; first node not
 *               below its threshold, second below its own, or not. A tree of one node has each of its leaves twice.
 * and a stage refuses a window whose leaves add up to less than its stage_thresholds. All are finite. *cascade is the
 * caller's, to be freed; NULL after a failure. */
typedef struct edgefer_cascade edgefer_cascade;
edgefer_status edgefer_cascade_create(int width, int height, const int8_t* rectangles, const float* weights,
                                      const float* thresholds, const float* leaves, ptrdiff_t tree_count,
                                      const int32_t* stage_trees, const float* stage_thresholds, ptrdiff_t stage_count,
                                      edgefer_cascade** cascade);

/* Left upper pixels of the windows that every stage accepts, row by row, as OpenCV's CascadeClassifier finds them in
 * one image of its pyramid: windows are `step` (1 or 2) pixels apart, and the one to the right of a window that the
 * first stage refuses is skipped. The image is at most 1264 pixels wide and has fewer than 2^31 pixels. Writes at most
 * max_windows (>= 1) of them, and how many there are. Several threads may use one cascade. Working memory: 63
 * rows, and 8 bytes a window. */
edgefer_status edgefer_cascade_windows(const edgefer_cascade* cascade, const uint8_t* image, ptrdiff_t height,
                                       ptrdiff_t width, ptrdiff_t image_stride, int step, edgefer_corner* windows,
                                       ptrdiff_t max_windows, ptrdiff_t* window_count);

void edgefer_cascade_free(edgefer_cascade* cascade); /* NULL does nothing */

/* ---------------------------------------------------------------------------------------------- a network's input */

/* A row of the camera's frame holds 2 * width bytes of YUYV, width bytes of NV12 (whose chroma, below the rows of
 * luma, is not read), or 3 * width bytes of BGR. */
typedef int edgefer_luma_format;
enum { EDGEFER_LUMA_YUYV = 0, EDGEFER_LUMA_NV12 = 1, EDGEFER_LUMA_BGR = 2 };

/* The brightness of a camera's frame; height and width are those of out. Of BGR 0.114 B + 0.587 G + 0.299 R in 15
 * bits, else the camera's own luma. */
edgefer_status edgefer_luma(const uint8_t* image, ptrdiff_t height, ptrdiff_t width, ptrdiff_t image_stride,
                            edgefer_luma_format format, uint8_t* out, ptrdiff_t out_stride);

/* Area weighs every pixel by its share of the covered interval, bilinear interpolates at the interval's centre; auto
 * is area along an axis that shrinks and bilinear along one that does not. */
typedef int edgefer_method;
enum { EDGEFER_METHOD_AUTO = 0, EDGEFER_METHOD_AREA = 1, EDGEFER_METHOD_BILINEAR = 2 };

/* The box (x0, y0, x1, y1), in pixels, right and bottom exclusive, of the image, resized to out_height x out_width (1
 * to 4096 each). x0 < x1, y0 < y1, all finite and within 1e6; beyond the image its edge pixels go on. Working memory:
 * tables of both axes. */
edgefer_status edgefer_crop_resize(const uint8_t* image, ptrdiff_t height, ptrdiff_t width, ptrdiff_t image_stride,
                                   const double box[4], edgefer_method method, uint8_t* out, ptrdiff_t out_height,
                                   ptrdiff_t out_width, ptrdiff_t out_stride);

typedef int edgefer_channel;
enum { EDGEFER_CHANNEL_GREY = 0, EDGEFER_CHANNEL_GX = 1, EDGEFER_CHANNEL_GY = 2, EDGEFER_CHANNEL_LAPLACIAN = 3 };

/* The int8 input of a network in one pass: the box resized as by edgefer_crop_resize, then its grey values, gx and gy
 * and Laplacian (aperture 1, border reflect101), whichever `channels` lists, each at most once and in that order, each
 * quantised: clamp(rint(value * multiplier + offset), -128, 127) in float, ties to even. multipliers and offsets are
 * finite, one for each channel. out is (out_height, out_width, channel_count) without gaps. */
edgefer_status edgefer_stack(const uint8_t* image, ptrdiff_t height, ptrdiff_t width, ptrdiff_t image_stride,
                             const double box[4], edgefer_method method, const edgefer_channel* channels,
                             const float* multipliers, const float* offsets, int channel_count, int8_t* out,
                             ptrdiff_t out_height, ptrdiff_t out_width);

/* --------------------------------------------------------------------------------------------------- dense layers
 *
 * x is (batch, inputs), weights (outputs, inputs), bias (outputs) and y (batch, outputs), all without gaps. Each size
 * is 1 to 2147483647. */

typedef int edgefer_activation;
enum {
  EDGEFER_ACTIVATION_NONE = 0,
  EDGEFER_ACTIVATION_SIGMOID = 1,
  EDGEFER_ACTIVATION_RELU = 2,
  EDGEFER_ACTIVATION_SOFTMAX = 3 /* over the outputs of each row */
};

/* y = activation(x weights^T + bias). Rearranges the weights at every call: to run a layer often, make an edgefer_mlp
 * of it. Working memory: the weights and bias once more. */
edgefer_status edgefer_fully_connected(const float* x, ptrdiff_t batch, ptrdiff_t inputs, const float* weights,
                                       const float* bias, ptrdiff_t outputs, edgefer_activation activation, float* y);

typedef struct edgefer_layer {
  const float* weights; /* (outputs, inputs) */
  const float* bias;    /* (outputs) */
  ptrdiff_t inputs;
  ptrdiff_t outputs;
  edgefer_activation activation;
} edgefer_layer;

/* Layers one after the other, their weights copied and rearranged once. */
typedef struct edgefer_mlp edgefer_mlp;

/* Each layer takes what the one before it gives. *mlp is the caller's, to be freed; NULL after a failure. */
edgefer_status edgefer_mlp_create(const edgefer_layer* layers, ptrdiff_t layer_count, edgefer_mlp** mlp);

/* x is (batch, inputs of the first layer), y (batch, outputs of the last one). Several threads may run one mlp. Working
 * memory: two hidden layers for the batch. */
edgefer_status edgefer_mlp_run(const edgefer_mlp* mlp, const float* x, ptrdiff_t batch, float* y);

void edgefer_mlp_free(edgefer_mlp* mlp); /* NULL does nothing */

typedef int edgefer_clamp;
enum {
  EDGEFER_CLAMP_NONE = 0,
  EDGEFER_CLAMP_RELU = 1,
  EDGEFER_CLAMP_RELU6 = 2,
  EDGEFER_CLAMP_RELU_N1_TO_1 = 3 /* to [-1, 1] */
};

/* Real value = (int8 value - zero point) * scale; weights have zero point 0. */
typedef struct edgefer_quantisation {
  int32_t input_zero_point; /* -128 to 127, both */
  int32_t output_zero_point;
  float input_scale; /* positive and finite, all scales and the product of input and weight scale */
  float output_scale;
  const float* weight_scales;   /* one for all outputs, or one for each */
  ptrdiff_t weight_scale_count; /* 1 or outputs */
  edgefer_clamp clamp;
} edgefer_quantisation;

/* TFLite's int8 fully-connected layer, bit for bit: 32-bit sums of (x - input zero point) * weight and bias (whose
 * scale is input scale * weight scale), scaled by a 31-bit multiplier with one rounding. Working memory: 8 bytes an
 * output. */
edgefer_status edgefer_fully_connected_int8(const int8_t* x, ptrdiff_t batch, ptrdiff_t inputs, const int8_t* weights,
                                            const int32_t* bias, ptrdiff_t outputs,
                                            const edgefer_quantisation* quantisation, int8_t* y);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif

#endif
