// sobel, laplacian and gradients by tiles of a few rows and one vector of columns: the part that all instruction sets
// share. An ISA file includes this inside its target region, in its anonymous namespace, after it has defined
//
//   Vector, Pixels, Order    s16 lanes; as many pixels, of a type that may be wider; a choice among the lanes
//   tile_width, tile_rows    lanes, and the rows of a tile
//   load, load_order         pixels from memory; an Order from tile_width bytes
//   load_ordered             pixel i is p[order[i]]
//   minus, plus              of two Pixels, as a Vector
//   add, subtract, twice     of Vectors
//   add_pixels, add_twice, subtract_four_times    of a Vector and Pixels
//   store
//
// Going down a tile, every row is loaded once and what the next row needs of it stays in registers. Where a tile would
// reach over the end of the image it is moved back inside: some results are then written twice, with the same value.
// In longer rows the tiles in between begin where the first output is aligned to the vector, because a store that is
// not takes twice the time; in short ones the tile that this adds would cost more.

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

// The rows that a row of tiles reads and writes.
struct Rows {
  const std::uint8_t* image[tile_rows + 2];
  std::int16_t *gx[tile_rows], *gy[tile_rows], *laplacian[tile_rows];
};

EDGEFER_ALWAYS_INLINE void run_tile(const Rows& rows, Wanted wanted, std::ptrdiff_t x, Tile tile, Order order) {
  const Neighbours top = neighbours(rows.image[0] + x, tile, order), next = neighbours(rows.image[1] + x, tile, order);
  Pixels above = top.here, here = next.here;
  Vector sides_above = plus(top.left, top.right), sides = plus(next.left, next.right);
  Vector smooth_above = add_twice(sides_above, above), smooth = add_twice(sides, here);
  Vector across = minus(next.right, next.left);
  Vector across_sum = add(minus(top.right, top.left), across);  // of two rows: gx is the sum of two such sums
  for (int k = 0; k < tile_rows; ++k) {
    const Neighbours n = neighbours(rows.image[k + 2] + x, tile, order);
    const Pixels below = n.here;
    const Vector sides_below = plus(n.left, n.right), smooth_below = add_twice(sides_below, below);
    const Vector across_below = minus(n.right, n.left), across_sum_below = add(across, across_below);
    if (wanted.sobel) {
      store(rows.gx[k] + x, add(across_sum, across_sum_below));
      store(rows.gy[k] + x, subtract(smooth_below, smooth_above));
    }
    if (wanted.laplacian) {
      const Vector sum = wanted.cross ? add_pixels(add_pixels(subtract_four_times(sides, here), above), below)
                                      : twice(subtract_four_times(add(sides_above, sides_below), here));
      store(rows.laplacian[k] + x, sum);
    }
    above = here, here = below;
    sides_above = sides, sides = sides_below;
    smooth_above = smooth, smooth = smooth_below;
    across = across_below, across_sum = across_sum_below;
  }
}

// The image must be wider than a tile and have as many rows.
EDGEFER_ALWAYS_INLINE void run_tiles(const Job& job, Wanted wanted) {
  const std::ptrdiff_t height = job.image.height, width = job.image.width;
  // What stands to the left of the first pixels, and to the right of the last ones.
  std::uint8_t left[tile_width], right[tile_width];
  for (int i = 0; i < tile_width; ++i)
    left[i] = static_cast<std::uint8_t>(i - 1), right[i] = static_cast<std::uint8_t>(i + 1);
  left[0] = static_cast<std::uint8_t>(before_first(tile_width, job.border));
  right[tile_width - 1] = static_cast<std::uint8_t>(after_last(tile_width, job.border));
  const Order left_order = load_order(left), right_order = load_order(right);

  for (std::ptrdiff_t y = 0;; y = y + 2 * tile_rows <= height ? y + tile_rows : height - tile_rows) {
    Rows rows;
    rows.image[0] = three_rows(job.image, y, job.border).above;
    rows.image[tile_rows + 1] = three_rows(job.image, y + tile_rows - 1, job.border).below;
    for (int k = 0; k < tile_rows; ++k) {
      rows.image[k + 1] = job.image.data + (y + k) * job.image.row_stride;
      rows.gx[k] = job.gx.data + (y + k) * job.gx.row_stride;
      rows.gy[k] = job.gy.data + (y + k) * job.gy.row_stride;
      rows.laplacian[k] = job.laplacian.data + (y + k) * job.laplacian.row_stride;
    }
    run_tile(rows, wanted, 0, Tile::first, left_order);
    std::ptrdiff_t x = tile_width;
    if (width >= 8 * tile_width) {
      const auto address = reinterpret_cast<std::uintptr_t>(wanted.sobel ? rows.gx[0] : rows.laplacian[0]);
      x -= static_cast<std::ptrdiff_t>(address / sizeof(std::int16_t) % tile_width);
    }
    for (; x + tile_width < width; x += tile_width) run_tile(rows, wanted, x, Tile::inner, left_order);
    run_tile(rows, wanted, width - tile_width, Tile::last, right_order);
    if (y + tile_rows == height) break;
  }
}
