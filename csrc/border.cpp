#include "kernels.h"

namespace edgefer {

std::ptrdiff_t border_index(std::ptrdiff_t index, std::ptrdiff_t size, Border border) {
  if (size == 1 || border == Border::replicate) return index < 0 ? 0 : index >= size ? size - 1 : index;
  while (index < 0 || index >= size) index = index < 0 ? -index : 2 * (size - 1) - index;  // a window may bounce twice
  return index;
}

}  // namespace edgefer
