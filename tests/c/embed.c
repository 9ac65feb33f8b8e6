/* Finds the corners of a bright square with the kernels alone, without Python. */
#include <edgefer.h>
#include <stdio.h>
#include <stdlib.h>

enum { HEIGHT = 48, WIDTH = 64, MOST = 100 };

int main(void) {
  static uint8_t image[HEIGHT][WIDTH]; /* black */
  edgefer_corner corners[MOST];
  ptrdiff_t count = 0, i;
  int x, y;

  if (edgefer_abi_version() != EDGEFER_ABI_VERSION) {
    fprintf(stderr, "embed: compiled for ABI %d, got library %s\n", EDGEFER_ABI_VERSION, edgefer_version());
    return EXIT_FAILURE;
  }
  for (y = 12; y < 36; ++y)
    for (x = 16; x < 48; ++x) image[y][x] = 255;

  /* No mask; scores above a tenth of the best, 5 pixels apart, of windows of 3 x 3. */
  if (edgefer_good_corners(&image[0][0], HEIGHT, WIDTH, WIDTH, NULL, 0, 0.1, 5.0, 3, corners, MOST, &count) !=
      EDGEFER_OK) {
    fprintf(stderr, "embed: %s\n", edgefer_last_error());
    return EXIT_FAILURE;
  }
  printf("%d corners, found by %s\n", (int)count, edgefer_active("good_corners"));
  for (i = 0; i < count; ++i) printf("%d %d\n", (int)corners[i].x, (int)corners[i].y);
  return EXIT_SUCCESS;
}
