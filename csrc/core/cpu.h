// What the processor we run on can do.
#pragma once

namespace edgefer {

// One name for each instruction set a kernel may need, weakest first on each architecture. The name is the one exact
// feature; avx512bw stands for AVX-512 F, BW and VL together, avx512vnni for these and VNNI. `neon` never implies
// `neon_dotprod`.
enum class Isa { scalar, sse41, avx2, avx512bw, avx512vnni, neon, neon_dotprod };

constexpr Isa all_isas[] = {Isa::scalar,     Isa::sse41, Isa::avx2,        Isa::avx512bw,
                            Isa::avx512vnni, Isa::neon,  Isa::neon_dotprod};

const char* isa_name(Isa isa);

// True when processor and operating system both support it.
bool cpu_has(Isa isa);

}  // namespace edgefer
