#include "core/dispatch.h"

#include <algorithm>
#include <cstdlib>
#include <optional>

#if defined(__x86_64__)
#include <cpuid.h>  // __get_cpuid_count
#elif defined(__aarch64__)
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

#if defined(__x86_64__)
namespace {

// What the processor has and the system keeps the registers of: Intel's manual, volume 2, CPUID, leaves 1 and 7, and
// XGETBV. Asked here, for __builtin_cpu_supports answers no to everything where a compiler's runtime library lacks it.
struct Features {
  bool sse41 = false, avx2 = false, avx512bw = false, avx512vnni = false;

  Features() {
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx)) return;
    sse41 = ecx >> 19 & 1;
    const bool avx = ecx >> 28 & 1, saves = ecx >> 27 & 1;
    if (!avx || !saves) return;
    unsigned kept = 0, high = 0;
    asm("xgetbv" : "=a"(kept), "=d"(high) : "c"(0));
    if ((kept & 0x06) != 0x06 || !__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return;
    avx2 = ebx >> 5 & 1;
    const bool f = ebx >> 16 & 1, bw = ebx >> 30 & 1, vl = ebx >> 31 & 1;
    avx512bw = (kept & 0xe0) == 0xe0 && f && bw && vl;
    avx512vnni = avx512bw && (ecx >> 11 & 1);
  }
};

}  // namespace
#endif

bool cpu_has(Isa isa) {
  if (isa == Isa::scalar) return true;
#if defined(__x86_64__)
  static const Features cpu;
  if (isa == Isa::sse41) return cpu.sse41;
  if (isa == Isa::avx2) return cpu.avx2;
  if (isa == Isa::avx512bw) return cpu.avx512bw;
  if (isa == Isa::avx512vnni) return cpu.avx512vnni;
#elif defined(__aarch64__)
  if (isa == Isa::neon) return getauxval(AT_HWCAP) & HWCAP_ASIMD;
  if (isa == Isa::neon_dotprod) return getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
#endif
  return false;
}

namespace {

// Best first within an operation; each row names the one feature it needs.
const Row table[] = {
#if defined(__x86_64__)
    {"sobel", Isa::avx512bw, &sobel_u8_s16_avx512bw},
    {"sobel", Isa::avx2, &sobel_u8_s16_avx2},
    {"sobel", Isa::sse41, &sobel_u8_s16_sse41},
    {"laplacian", Isa::avx2, &laplacian_u8_s16_avx2},
    {"laplacian", Isa::sse41, &laplacian_u8_s16_sse41},
    {"gradients", Isa::avx512bw, &gradients_u8_s16_avx512bw},
    {"gradients", Isa::avx2, &gradients_u8_s16_avx2},
    {"gradients", Isa::sse41, &gradients_u8_s16_sse41},
    {"shi_tomasi", Isa::avx512vnni, &shi_tomasi_u8_f32_avx512vnni},
    {"shi_tomasi", Isa::avx2, &shi_tomasi_u8_f32_avx2},
    {"good_corners", Isa::avx512vnni, &good_corners_u8_avx512vnni},
    {"good_corners", Isa::avx2, &good_corners_u8_avx2},
    {"flow", Isa::avx2, &flow_u8_f32_avx2},
    {"cascade", Isa::avx2, &cascade_u8_avx2},
    {"luma", Isa::avx2, &luma_u8_avx2},
    {"luma", Isa::sse41, &luma_u8_sse41},
    {"crop_resize", Isa::avx2, &crop_resize_u8_avx2},
    {"stack", Isa::avx2, &stack_u8_s8_avx2},
    {"fully_connected", Isa::avx2, &fully_connected_f32_avx2},
    {"fully_connected_int8", Isa::avx512vnni, &fully_connected_s8_avx512vnni},
    {"fully_connected_int8", Isa::avx2, &fully_connected_s8_avx2},
#elif defined(__aarch64__)
    {"sobel", Isa::neon, &sobel_u8_s16_neon},
    {"laplacian", Isa::neon, &laplacian_u8_s16_neon},
    {"gradients", Isa::neon, &gradients_u8_s16_neon},
    {"shi_tomasi", Isa::neon, &shi_tomasi_u8_f32_neon},
    {"good_corners", Isa::neon, &good_corners_u8_neon},
    {"flow", Isa::neon, &flow_u8_f32_neon},
    {"cascade", Isa::neon, &cascade_u8_neon},
    {"luma", Isa::neon, &luma_u8_neon},
    {"crop_resize", Isa::neon, &crop_resize_u8_neon},
    {"stack", Isa::neon, &stack_u8_s8_neon},
    {"fully_connected", Isa::neon, &fully_connected_f32_neon},
    {"fully_connected_int8", Isa::neon_dotprod, &fully_connected_s8_neon_dotprod},
    {"fully_connected_int8", Isa::neon, &fully_connected_s8_neon},
#endif
    {"sobel", Isa::scalar, &sobel_u8_s16_scalar},
    {"laplacian", Isa::scalar, &laplacian_u8_s16_scalar},
    {"gradients", Isa::scalar, &gradients_u8_s16_scalar},
    {"shi_tomasi", Isa::scalar, &shi_tomasi_u8_f32_scalar},
    {"good_corners", Isa::scalar, &good_corners_u8_scalar},
    {"flow", Isa::scalar, &flow_u8_f32_scalar},
    {"cascade", Isa::scalar, &cascade_u8_scalar},
    {"luma", Isa::scalar, &luma_u8_scalar},
    {"crop_resize", Isa::scalar, &crop_resize_u8_scalar},
    {"stack", Isa::scalar, &stack_u8_s8_scalar},
    {"fully_connected", Isa::scalar, &fully_connected_f32_scalar},
    {"fully_connected_int8", Isa::scalar, &fully_connected_s8_scalar},
};

template <class Names> std::string joined(const Names& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + std::string(name);
  return text;
}

std::vector<std::string> isa_names(bool only_here) {
  std::vector<std::string> names;
  for (Isa isa : all_isas)
    if (!only_here || cpu_has(isa)) names.emplace_back(isa_name(isa));
  return names;
}

std::optional<Isa> read_forced_isa() {
  const char* text = std::getenv("EDGEFER_ISA");
  if (!text || !*text) return std::nullopt;
  const std::string wanted(text);
  for (Isa isa : all_isas) {
    if (wanted != isa_name(isa)) continue;
    if (!cpu_has(isa))
      throw BadIsa("EDGEFER_ISA: this processor lacks '" + wanted + "'; it has: " + joined(isa_names(true)));
    return isa;
  }
  throw BadIsa("EDGEFER_ISA: unknown instruction set '" + wanted + "'; known: " + joined(isa_names(false)));
}

}  // namespace

const Isa* forced_isa() {
  static const std::optional<Isa> forced = read_forced_isa();  // a throw leaves it unset: the next call throws too
  return forced ? &*forced : nullptr;
}

std::vector<const Row*> runnable(const std::string& op) {
  std::vector<const Row*> rows;
  for (const Row& row : table)
    if (op == row.op && cpu_has(row.isa)) rows.push_back(&row);
  return rows;
}

std::vector<std::string> operations() {
  std::vector<std::string> names;
  for (const Row& row : table)
    if (std::find(names.begin(), names.end(), row.op) == names.end()) names.emplace_back(row.op);
  return names;
}

const Row& active_row(const std::string& op) {
  const Isa* forced = forced_isa();
  const auto rows = runnable(op);
  if (rows.empty()) throw std::invalid_argument("unknown kernel '" + op + "'; available: " + joined(operations()));
  for (const Row* row : rows)
    if (!forced || row->isa <= *forced) return *row;
  return *rows.back();  // the scalar row is the last of every operation
}

const Row& named_row(const std::string& op, const std::string& isa) {
  const auto rows = runnable(op);
  if (rows.empty()) throw std::invalid_argument("unknown kernel '" + op + "'; available: " + joined(operations()));
  std::vector<std::string> names;
  for (const Row* row : rows) {
    if (isa == isa_name(row->isa)) return *row;
    names.emplace_back(isa_name(row->isa));
  }
  throw std::invalid_argument(op + ": no variant '" + isa + "' here; available: " + joined(names));
}

}  // namespace edgefer
