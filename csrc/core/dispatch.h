// Which variant of an operation runs.
#pragma once

#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "cascade/cascade.h"
#include "corners/corners.h"
#include "dense/dense.h"
#include "flow/flow.h"
#include "gradients/gradients.h"
#include "luma/luma.h"
#include "resize/resize.h"

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

// Every distinct kernel signature, once; operations may share one.
using Function = std::variant<SobelFn*, LaplacianFn*, GradientsFn*, ShiTomasiFn*, GoodCornersFn*, FlowFn*, CascadeFn*,
                              LumaFn*, CropResizeFn*, StackFn*, FullyConnectedFn*, FullyConnectedS8Fn*>;

struct Row {
  const char* op;
  Isa isa;
  Function function;
};

// EDGEFER_ISA names an instruction set that is unknown, or that this processor lacks.
struct BadIsa : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The instruction set EDGEFER_ISA forces on the whole process, or null. Throws BadIsa.
const Isa* forced_isa();

// Rows of the operation that this processor can run, best first; empty for an unknown operation.
std::vector<const Row*> runnable(const std::string& op);

// The row that runs: the best one, or with a forced instruction set the best that needs no more than that one.
// Throws BadIsa, and std::invalid_argument for an unknown operation.
const Row& active_row(const std::string& op);

// The named row. Throws std::invalid_argument when this processor has no such row; the message lists those it has.
const Row& named_row(const std::string& op, const std::string& isa);

// Names of all operations, in the order of the table.
std::vector<std::string> operations();

}  // namespace edgefer
