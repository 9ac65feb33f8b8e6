#include "cpu.h"

#if defined(__aarch64__)
#include <asm/hwcap.h>  // HWCAP_ASIMD, HWCAP_ASIMDDP
#include <sys/auxv.h>   // getauxval
#endif

namespace edgefer {

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::scalar: return "scalar";
    case Isa::avx2: return "avx2";
    case Isa::neon: return "neon";
    case Isa::neon_dotprod: return "neon_dotprod";
  }
  return "unknown";
}

bool cpu_has(Isa isa) {
  if (isa == Isa::scalar) return true;
#if defined(__x86_64__)
  if (isa == Isa::avx2) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2");  // asks XGETBV as well: the system must save the upper halves
  }
#elif defined(__aarch64__)
  if (isa == Isa::neon) return getauxval(AT_HWCAP) & HWCAP_ASIMD;
  if (isa == Isa::neon_dotprod) return getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
#endif
  return false;
}

}  // namespace edgefer
