// What the processor we run on can do.
#pragma once

namespace edgefer {

// One name for each instruction set a kernel may need. `neon` never implies `neon_dotprod`.
enum class Isa { scalar, avx2, neon, neon_dotprod };

constexpr Isa all_isas[] = {Isa::scalar, Isa::avx2, Isa::neon, Isa::neon_dotprod};

const char* isa_name(Isa isa);

// True when processor and operating system both support it.
bool cpu_has(Isa isa);

}  // namespace edgefer
