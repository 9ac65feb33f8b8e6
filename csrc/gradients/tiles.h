// sobel, laplacian and gradients by tiles of a few rows and one vector of columns: the part that all instruction sets
// share. An ISA file includes this inside its target region, in its anonymous namespace, after it has defined
//
//   Vector, Pixels, Order    s16 lanes; as many pixels, of a type that may be wider; a choice among the lanes
//   tile_width               lanes
//   load, load_order         pixels from memory; an Order from tile_width bytes
//   load_ordered             pixel i is p[order[i]]
//   minus, plus              of two Pixels, as a Vector
//   add, subtract, twice     of Vectors
//   add_pixels, add_twice, subtract_four_times    of a Vector and Pixels
//   store
//
// On x86, where Pixels are Vectors, all but load, load_order, load_ordered, add, subtract and store follow here.
//
// Going down a tile, every row is loaded once and what the next row needs of it stays in registers. A higher tile looks
// less often at the rows of its neighbours, but the compiler may run out of registers. Where a tile would reach over
// the end of the image it is moved back inside: some results are then written twice, with the same value. In longer
// rows the tiles in between begin where the first output is aligned to the vector, because a store that is not takes
// twice the time; in short ones the tile that this adds would cost more.

#if defined(__x86_64__)
Vector twice(Vector a) { return add(a, a); }
Vector plus(Pixels a, Pixels b) { return add(a, b); }
Vector minus(Pixels a, Pixels b) { return subtract(a, b); }
Vector add_pixels(Vector a, Pixels b) { return add(a, b); }
Vector add_twice(Vector a, Pixels b) { return add(a, twice(b)); }
Vector subtract_four_times(Vector a, Pixels b) { return subtract(a, twice(twice(b))); }
bool tiles_fit(ImageU8 image) { return image.width > tile_width && image.height >= tile_rows; }
#endif

// Which end of the row a tile holds.
enum class Tile { first, inner, last };

struct Job {
  ImageU8 image;
  Border border;
  OutputS16 gx, gy, laplacian;
};

// What is wanted; constant in each caller, so that the rest is never computed.
struct Wanted {
  bool sobel, laplacian, cross;
};

struct Neighbours {
  Pixels left, here, right;
};

EDGEFER_ALWAYS_INLINE Neighbours neighbours(const std::uint8_t* p, Tile tile, Order order) {
  return {tile == Tile::first ? load_ordered(p, order) : load(p - 1), load(p),
          tile == Tile::last ? load_ordered(p, order) : load(p + 1)};
}

// The rows that a row of tiles reads and writes. `first` is the first that the tiles cover, and row_stride leads to
// the others; `above` and `below` are those beyond.
struct Rows {
  const std::uint8_t *above, *first, *below;
  std::ptrdiff_t row_stride;
  OutputS16 gx, gy, laplacian;  // from the first row on
};

// tile_rows is constant in each caller.
EDGEFER_ALWAYS_INLINE void run_tile(const Rows& rows, int tile_rows, Wanted wanted, std::ptrdiff_t x, Tile tile,
                                    Order order) {
  // By the end of the row: then no load is at the pointer itself, which GCC for ARM would split into base and index.
  const std::uint8_t* end = rows.first + x + tile_width;
  std::int16_t* gx = wanted.sobel ? rows.gx.data + x : nullptr;
  std::int16_t* gy = wanted.sobel ? rows.gy.data + x : nullptr;
  std::int16_t* laplacian = wanted.laplacian ? rows.laplacian.data + x : nullptr;
  const Neighbours top = neighbours(rows.above + x, tile, order), next = neighbours(end - tile_width, tile, order);
  Pixels above = top.here, here = next.here;
  Vector sides_above = plus(top.left, top.right), sides = plus(next.left, next.right);
  Vector smooth_above = add_twice(sides_above, above), smooth = add_twice(sides, here);
  Vector across = minus(next.right, next.left);
  Vector across_sum = add(minus(top.right, top.left), across);  // of two rows: gx is the sum of two such sums
#pragma GCC unroll 16
  for (int k = 0; k < tile_rows; ++k) {
    end += rows.row_stride;
    const Neighbours n = neighbours(k + 1 < tile_rows ? end - tile_width : rows.below + x, tile, order);
    const Pixels below = n.here;
    const Vector sides_below = plus(n.left, n.right), smooth_below = add_twice(sides_below, below);
    const Vector across_below = minus(n.right, n.left), across_sum_below = add(across, across_below);
    if (wanted.sobel) {
      store(gx, add(across_sum, across_sum_below));
      store(gy, subtract(smooth_below, smooth_above));
      gx += rows.gx.row_stride, gy += rows.gy.row_stride;
    }
    if (wanted.laplacian) {
      const Vector sum = wanted.cross ? add_pixels(subtract_four_times(add_pixels(sides, above), here), below)
                                      : twice(subtract_four_times(add(sides_above, sides_below), here));
      store(laplacian, sum);
      laplacian += rows.laplacian.row_stride;
    }
    above = here, here = below;
    sides_above = sides, sides = sides_below;
    smooth_above = smooth, smooth = smooth_below;
    across = across_below, across_sum = across_sum_below;
  }
}

OutputS16 rows_from(OutputS16 out, std::ptrdiff_t y) {
  out.data += y * out.row_stride;
  return out;
}

// The image must be wider than a tile and have as many rows.
EDGEFER_ALWAYS_INLINE void run_tiles(const Job& job, int tile_rows, Wanted wanted) {
  const std::ptrdiff_t height = job.image.height, width = job.image.width;
  // What stands to the left of the first pixels, and to the right of the last ones.
  std::uint8_t left[tile_width], right[tile_width];
  for (int i = 0; i < tile_width; ++i)
    left[i] = static_cast<std::uint8_t>(i - 1), right[i] = static_cast<std::uint8_t>(i + 1);
  left[0] = static_cast<std::uint8_t>(before_first(tile_width, job.border));
  right[tile_width - 1] = static_cast<std::uint8_t>(after_last(tile_width, job.border));
  const Order left_order = load_order(left), right_order = load_order(right);

  for (std::ptrdiff_t y = 0;; y = y + 2 * tile_rows <= height ? y + tile_rows : height - tile_rows) {
    const Rows rows = {three_rows(job.image, y, job.border).above,
                       job.image.data + y * job.image.row_stride,
                       three_rows(job.image, y + tile_rows - 1, job.border).below,
                       job.image.row_stride,
                       rows_from(job.gx, y),
                       rows_from(job.gy, y),
                       rows_from(job.laplacian, y)};
    run_tile(rows, tile_rows, wanted, 0, Tile::first, left_order);
    std::ptrdiff_t x = tile_width;
    if (width >= 8 * tile_width) {
      const auto address = reinterpret_cast<std::uintptr_t>(wanted.sobel ? rows.gx.data : rows.laplacian.data);
      x -= static_cast<std::ptrdiff_t>(address / sizeof(std::int16_t) % tile_width);
    }
    for (; x + tile_width < width; x += tile_width) run_tile(rows, tile_rows, wanted, x, Tile::inner, left_order);
    run_tile(rows, tile_rows, wanted, width - tile_width, Tile::last, right_order);
    if (y + tile_rows == height) break;
  }
}
