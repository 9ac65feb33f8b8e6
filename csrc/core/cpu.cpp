#include "core/cpu.h"

#if defined(__aarch64__)
#include <asm/hwcap.h>  // HWCAP_ASIMD, HWCAP_ASIMDDP
#include <sys/auxv.h>   // getauxval
#endif

namespace edgefer {

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::scalar: return "scalar";
    case Isa::sse41: return "sse41";
    case Isa::avx2: return "avx2";
    case Isa::avx512bw: return "avx512bw";
    case Isa::avx512vnni: return "avx512vnni";
    case Isa::neon: return "neon";
    case Isa::neon_dotprod: return "neon_dotprod";
  }
  return "unknown";
}

bool cpu_has(Isa isa) {
  if (isa == Isa::scalar) return true;
#if defined(__x86_64__)
  __builtin_cpu_init();  // asks XGETBV as well: the system must save the wide registers
  const bool avx512bw =
      __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  if (isa == Isa::sse41) return __builtin_cpu_supports("sse4.1");
  if (isa == Isa::avx2) return __builtin_cpu_supports("avx2");
  if (isa == Isa::avx512bw) return avx512bw;
  if (isa == Isa::avx512vnni) return avx512bw && __builtin_cpu_supports("avx512vnni");
#elif defined(__aarch64__)
  if (isa == Isa::neon) return getauxval(AT_HWCAP) & HWCAP_ASIMD;
  if (isa == Isa::neon_dotprod) return getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
#endif
  return false;
}

}  // namespace edgefer
