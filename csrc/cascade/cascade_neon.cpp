#if defined(__aarch64__)
#include <arm_neon.h>

#include "cascade/cascade.h"

namespace edgefer {
namespace {

int32x4_t sums_inside(const std::int32_t* first, const std::int32_t (&corners)[4]) {
  return vsubq_s32(vsubq_s32(vld1q_s32(first + corners[3]), vld1q_s32(first + corners[2])),
                   vsubq_s32(vld1q_s32(first + corners[1]), vld1q_s32(first + corners[0])));
}

float32x4_t weighted(const CascadeNode& node, int rectangle, const std::int32_t* first) {
  return vmulq_n_f32(vcvtq_f32_s32(sums_inside(first, node.corners[rectangle])), node.weights[rectangle]);
}

// All bits where the feature of four windows is below its threshold.
uint32x4_t below(const CascadeNode& node, const std::int32_t* first, float32x4_t reciprocals) {
  float32x4_t value = vaddq_f32(weighted(node, 0, first), weighted(node, 1, first));
  if (node.weights[2] != 0) value = vaddq_f32(value, weighted(node, 2, first));
  return vcltq_f32(vmulq_f32(value, reciprocals), vdupq_n_f32(node.threshold));
}

float32x4_t leaves(const CascadeTree& tree, const std::int32_t* first, float32x4_t reciprocals) {
  const uint32x4_t outer = below(tree.nodes[0], first, reciprocals);
  const float32x4_t four = vld1q_f32(tree.leaves);
  if (!tree.deeper) return vbslq_f32(outer, vdupq_laneq_f32(four, 0), vdupq_laneq_f32(four, 2));
  const uint32x4_t inner = below(tree.nodes[1], first, reciprocals);
  return vbslq_f32(outer, vbslq_f32(inner, vdupq_laneq_f32(four, 0), vdupq_laneq_f32(four, 1)),
                   vbslq_f32(inner, vdupq_laneq_f32(four, 2), vdupq_laneq_f32(four, 3)));
}

// One bit of each pair of lanes, the first lowest.
unsigned bits(uint64x2_t a, uint64x2_t b, uint64x2_t c, uint64x2_t d) {
  const uint16x4_t low = vmovn_u32(vcombine_u32(vmovn_u64(a), vmovn_u64(b)));
  const uint16x4_t high = vmovn_u32(vcombine_u32(vmovn_u64(c), vmovn_u64(d)));
  const uint8x8_t places = vcreate_u8(0x8040201008040201);
  return vaddv_u8(vand_u8(vmovn_u16(vcombine_u16(low, high)), places));
}

// Of two windows, and all bits where there is enough contrast.
float32x2_t reciprocal_contrast(int32x2_t sums, int32x2_t squares, float64x2_t area, uint64x2_t* enough) {
  const float64x2_t sum = vcvtq_f64_s64(vmovl_s32(sums)), square = vcvtq_f64_s64(vmovl_s32(squares));
  const float64x2_t spread = vsubq_f64(vmulq_f64(area, square), vmulq_f64(sum, sum));
  const float64x2_t one = vdupq_n_f64(1.0);
  const uint64x2_t some = vcgtzq_f64(spread);
  const float32x2_t reciprocal = vcvt_f32_f64(vdivq_f64(one, vsqrtq_f64(vbslq_f64(some, spread, one))));
  *enough = vandq_u64(some, vcltq_f64(vmulq_f64(area, vcvt_f64_f32(reciprocal)), vdupq_n_f64(0.1)));
  return reciprocal;
}

unsigned contrast(CascadeWindows windows, const CascadeInner& inner, float* reciprocal) {
  const float64x2_t area = vdupq_n_f64(inner.area);
  uint64x2_t enough[4];
  for (int i = 0; i < 2; ++i) {
    const int32x4_t sums = sums_inside(windows.sums + 4 * i, inner.corners);
    const int32x4_t squares = sums_inside(windows.squares + 4 * i, inner.corners);
    vst1_f32(reciprocal + 4 * i, reciprocal_contrast(vget_low_s32(sums), vget_low_s32(squares), area, &enough[2 * i]));
    vst1_f32(reciprocal + 4 * i + 2,
             reciprocal_contrast(vget_high_s32(sums), vget_high_s32(squares), area, &enough[2 * i + 1]));
  }
  return bits(enough[0], enough[1], enough[2], enough[3]);
}

unsigned stage(CascadeWindows windows, const CascadeTree* trees, std::ptrdiff_t count, float threshold,
               const float* reciprocal, unsigned) {
  const float32x4_t left = vld1q_f32(reciprocal), right = vld1q_f32(reciprocal + 4);
  float64x2_t a = vdupq_n_f64(0), b = a, c = a, d = a;
  for (const CascadeTree* tree = trees; tree < trees + count; ++tree) {
    const float32x4_t low = leaves(*tree, windows.sums, left), high = leaves(*tree, windows.sums + 4, right);
    a = vaddq_f64(a, vcvt_f64_f32(vget_low_f32(low)));
    b = vaddq_f64(b, vcvt_high_f64_f32(low));
    c = vaddq_f64(c, vcvt_f64_f32(vget_low_f32(high)));
    d = vaddq_f64(d, vcvt_high_f64_f32(high));
  }
  const float64x2_t limit = vdupq_n_f64(static_cast<double>(threshold));
  return 0xff & ~bits(vcltq_f64(a, limit), vcltq_f64(b, limit), vcltq_f64(c, limit), vcltq_f64(d, limit));
}

}  // namespace

std::ptrdiff_t cascade_u8_neon(ImageU8 image, const Cascade& cascade, int step, void* scratch) {
  return cascade_by_rows(image, cascade, step, scratch, {contrast, stage});
}

}  // namespace edgefer
#endif
