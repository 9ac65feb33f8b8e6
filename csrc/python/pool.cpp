// Memory of large results, kept from one call to the next.
//
// What is freed at the top of the heap goes back to the system, and each page of the next result has to be faulted in
// again: three planes of a 1280x720 image then take twenty times as long as the kernel that writes them. So blocks that
// no array refers to any more are kept, at most pool_most bytes of them, the longest unused going first. Scratch memory
// is not: kernels touch little of it again, 5 pages of good_corners at 640x480, and to keep it, in all the sizes of a
// face search, took 2 MB of the demo's memory.
//
// The GIL guards the pool: who makes or frees an array holds it.
#include <vector>

#include "python/bindings.h"

namespace edgefer {
namespace {

// What ASan should see freed is freed.
#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t pool_most = 0;
#else
constexpr std::size_t pool_most = std::size_t{8} << 20;
#endif
constexpr std::align_val_t alignment{64};

// In front of a block's memory, which keeps its alignment.
struct alignas(64) Header {
  std::size_t bytes;
};

class Pool {
 public:
  // Uninitialised memory of that many bytes, or up to a quarter more. Throws bad_alloc.
  void* take(std::size_t bytes) {
    // Latest first, as its pages are probably cached.
    for (std::size_t i = unused_.size(); i-- > 0;) {
      Header* const block = unused_[i];
      if (block->bytes < bytes || block->bytes > bytes + bytes / 4) continue;
      unused_.erase(unused_.begin() + static_cast<std::ptrdiff_t>(i));
      unused_bytes_ -= block->bytes;
      return block + 1;
    }
    return new (::operator new(sizeof(Header) + bytes, alignment)) Header{bytes} + 1;
  }

  void give_back(void* memory) noexcept {
    Header* const block = static_cast<Header*>(memory) - 1;
    if (block->bytes > pool_most) return ::operator delete(block, alignment);
    for (; unused_bytes_ + block->bytes > pool_most; unused_.erase(unused_.begin())) {
      unused_bytes_ -= unused_.front()->bytes;
      ::operator delete(unused_.front(), alignment);
    }
    unused_bytes_ += block->bytes;
    unused_.push_back(block);
  }

  Pool() { unused_.reserve(pool_most / pooled_least + 1); }  // so that give_back never allocates

 private:
  std::vector<Header*> unused_;  // the longest unused first
  std::size_t unused_bytes_ = 0;
};

Pool& pool() {
  static Pool& all = *new Pool;  // never destroyed: arrays may outlive the module
  return all;
}

constexpr const char* capsule_name = "edgefer block";

}  // namespace

py::array pooled_array(PyObject* dtype, std::initializer_list<Py_intptr_t> shape, std::size_t bytes) {
  void* const memory = pool().take(bytes);
  auto block = py::reinterpret_steal<py::object>(PyCapsule_New(
      memory, capsule_name, [](PyObject* capsule) { pool().give_back(PyCapsule_GetPointer(capsule, capsule_name)); }));
  if (!block) {
    pool().give_back(memory);
    throw py::error_already_set();
  }
  constexpr int flags = py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
  Py_INCREF(dtype);  // the array keeps it
  auto array = py::reinterpret_steal<py::array>(numpy().PyArray_NewFromDescr_(
      numpy().PyArray_Type_, dtype, static_cast<int>(shape.size()), shape.begin(), nullptr, memory, flags, nullptr));
  // The array takes the reference to the block, even where this fails.
  if (!array || numpy().PyArray_SetBaseObject_(array.ptr(), block.release().ptr()) < 0) throw py::error_already_set();
  return array;
}

}  // namespace edgefer
