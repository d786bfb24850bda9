#include "model/checkpoint/packed/packer.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <numeric>

#include "base/system/file.h"
#include "model/checkpoint/dequantize.h"
#include "model/kernels/matrix.h"

namespace baton::checkpoint {
namespace {

constexpr size_t kChunkBytes = size_t{1} << 20;  // written at a time

kernels::Format format_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::bf16:
      return kernels::Format::bf16;
    case Dtype::f16:
      return kernels::Format::f16;
    case Dtype::f8_e4m3:
      return kernels::Format::f8_e4m3;
    default:
      return kernels::Format::f32;
  }
}

// A thread's memory for one tensor.
struct Scratch {
  std::vector<float> rows;    // of a panel
  std::vector<float> source;  // rows that are transposed into it
  std::vector<std::byte> chunk;
};

// Packs one tensor, panel by panel, in the order of the file.
class TensorPacker {
 public:
  TensorPacker(const Checkpoint& checkpoint, const kernels::Kernels& kernels, OutputFile& file,
               ProgressBar& progress, const PackedTensor& tensor, Scratch& scratch)
      : config_(checkpoint.config()),
        checkpoint_(checkpoint),
        kernels_(kernels),
        file_(file),
        progress_(progress),
        tensor_(tensor),
        scratch_(scratch),
        panels_(tensor.shape, nullptr) {}

  Result<Digest> pack() {
    BATON_TRY(weight, checkpoint_.weight(tensor_.source));
    const auto* scales = weight.scale_inv ? weight.scale_inv->data.data() : nullptr;
    matrix_ = kernels::Matrix(format_of(weight.data.dtype), weight.data.data.data(), weight.rows,
                              weight.cols, scales);
    const size_t panel_bytes = panels_.stride();
    const size_t at_once = std::max<size_t>(1, kChunkBytes / panel_bytes);
    DigestStream stream;
    for (size_t first = 0; first < panels_.panels(); first += at_once) {
      const size_t count = std::min(at_once, panels_.panels() - first);
      scratch_.chunk.resize(std::max(scratch_.chunk.size(), count * panel_bytes));
      for (size_t p = 0; p < count; ++p) {
        if (!fill_rows(first + p)) return refuse(weight);
        pack_panel(kernels_, tensor_.shape, std::span(scratch_.rows).first(values_),
                   scratch_.chunk.data() + p * panel_bytes);
      }
      const auto bytes = std::span<const std::byte>(scratch_.chunk).first(count * panel_bytes);
      stream.update(bytes);
      BATON_CHECKED(file_.write_at(tensor_.offset + first * panel_bytes, bytes));
      progress_.add(bytes.size());
    }
    return stream.finish();
  }

 private:
  // The rows of a panel as float32; false if a value is not a finite number.
  bool fill_rows(size_t panel) {
    const size_t cols = panels_.cols();
    const size_t count = panels_.rows_of(panel);
    const size_t first = panels_.first_row(panel);
    values_ = count * cols;
    scratch_.rows.resize(std::max(scratch_.rows.size(), values_));
    const size_t nope = config_.qk_nope_head_dim;
    const size_t v = config_.v_head_dim;
    switch (tensor_.part) {
      case PackedPart::whole:
        return copy_rows(first, count);
      case PackedPart::keys:
        return copy_rows(first / nope * (nope + v) + first % nope, count);
      case PackedPart::values:
        return copy_rows(first / v * (nope + v) + nope + first % v, count);
      case PackedPart::absorb: {
        const size_t latent = config_.kv_lora_rank;
        return transpose_rows(first / latent * (nope + v), first % latent, count);
      }
    }
    return false;
  }

  bool copy_rows(size_t source, size_t count) {
    bool finite = true;
    for (size_t r = 0; r < count; ++r) {
      const auto to = std::span(scratch_.rows).subspan(r * panels_.cols(), panels_.cols());
      finite = is_finite(kernels_, matrix_.row(source + r), to) && finite;
    }
    return finite;
  }

  // Rows are columns [first_col, ...) of the source's rows from `source` on, one a column of ours.
  bool transpose_rows(size_t source, size_t first_col, size_t count) {
    const size_t cols = panels_.cols();
    const kernels::Matrix part = matrix_.col_range(first_col, first_col + count);
    scratch_.source.resize(std::max(scratch_.source.size(), count));
    bool finite = true;
    for (size_t c = 0; c < cols; ++c) {
      finite = is_finite(kernels_, part.row(source + c), scratch_.source) && finite;
      for (size_t r = 0; r < count; ++r) scratch_.rows[r * cols + c] = scratch_.source[r];
    }
    return finite;
  }

  Error refuse(const Weight& weight) const {
    const auto reread = read_all(weight);
    check(!reread, "a weight that a kernel finds not finite is refused by the reader too");
    return reread.error();
  }

  const ModelConfig& config_;
  const Checkpoint& checkpoint_;
  const kernels::Kernels& kernels_;
  OutputFile& file_;
  ProgressBar& progress_;
  const PackedTensor& tensor_;
  Scratch& scratch_;
  kernels::Panels panels_;  // without data: where rows are
  kernels::Matrix matrix_;
  size_t values_ = 0;
};

Result<void> pack(const Checkpoint& checkpoint, const PackedLayout& layout,
                  const PackedIdentity& identity, const std::filesystem::path& path,
                  ProgressBar::Style style, const kernels::Kernels& kernels, ThreadPool& pool) {
  BATON_CHECKED(checkpoint.check_unchanged());
  BATON_TRY(file, OutputFile::create(path, layout.file_bytes()));
  const auto& tensors = layout.tensors();
  std::vector<size_t> order(tensors.size());  // the longest first, so that threads end together
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::greater{}, [&](size_t i) { return tensors[i].bytes; });
  std::vector<Digest> digests(tensors.size());
  std::vector<Scratch> scratch(pool.size());
  std::mutex mutex;
  std::optional<Error> problem;
  std::atomic<bool> failed = false;
  {
    ProgressBar progress(fmt::format("packing {}", path.filename().string()),
                         layout.file_bytes() - layout.header_bytes(), style);
    pool.run(order.size(), [&](size_t i, unsigned thread) {
      if (failed) return;
      const size_t at = order[i];
      auto packed =
          TensorPacker(checkpoint, kernels, file, progress, tensors[at], scratch[thread]).pack();
      if (packed) {
        digests[at] = *packed;
        return;
      }
      const std::lock_guard lock(mutex);
      if (!problem) problem = packed.error();
      failed = true;
    });
  }
  if (problem) return *problem;
  BATON_CHECKED(file.write_at(0, packed_header(layout, identity, digests)));
  return file.finish();
}

// Where a model's packed file is, and what it must say of itself.
struct Place {
  std::filesystem::path folder;
  std::filesystem::path path;
  PackedIdentity identity;
};

Place place_of(const Checkpoint& checkpoint, const PackOptions& options) {
  Place place;
  place.identity = {options.mode, checkpoint.fingerprint()};
  place.folder = options.folder.empty() ? checkpoint.dir() : options.folder;
  place.path = place.folder / packed_file_name(options.mode, place.identity.fingerprint);
  return place;
}

Result<PackedFile> verified(Result<PackedFile> file, ThreadPool& pool) {
  if (!file) return file;
  std::atomic<const PackedTensor*> damaged = nullptr;
  const auto& tensors = file->layout().tensors();
  pool.run(tensors.size(), [&](size_t i, unsigned) {
    if (!file->verify(tensors[i])) damaged = &tensors[i];
  });
  if (damaged.load() != nullptr) return file->verify(*damaged).error();
  return file;
}

void say_packing_anew(const Error& why, ProgressBar::Style style) {
  if (style == ProgressBar::Style::off || why.code == ErrorCode::not_found) return;
  fmt::print(stderr, "{} It is packed anew.\n", why.message);
}

Result<PackedFile> pack_and_open(const Checkpoint& checkpoint, const PackOptions& options,
                                 const Place& place, const kernels::Kernels& kernels,
                                 ThreadPool& pool) {
  PackedLayout layout(checkpoint, options.mode);
  const auto packed =
      pack(checkpoint, layout, place.identity, place.path, options.progress, kernels, pool);
  if (!packed) {
    Error error = packed.error();
    if (error.code == ErrorCode::invalid_argument || error.code == ErrorCode::resource_exhausted) {
      error.message += "; name another folder for packed weights with --pack-dir";
    }
    return error;
  }
  return PackedFile::open(place.path, std::move(layout), place.identity);
}

}  // namespace

std::string packed_file_name(const NumericMode& mode, const Sha256Digest& fingerprint) {
  return fmt::format("baton-{}-{}.pack", mode.pack_name(), to_hex(fingerprint).substr(0, 16));
}

Result<PackedFile> open_packed(const Checkpoint& checkpoint, const PackOptions& options,
                               const kernels::Kernels& kernels, ThreadPool& pool) {
  const Place place = place_of(checkpoint, options);
  auto file = PackedFile::open(place.path, PackedLayout(checkpoint, options.mode), place.identity);
  if (file) return file;
  const auto lock = DirectoryLock::acquire(place.folder);
  if (!lock) return lock.error();
  file = PackedFile::open(place.path, PackedLayout(checkpoint, options.mode), place.identity);
  if (file) return file;  // whoever had the lock has packed it
  say_packing_anew(file.error(), options.progress);
  return pack_and_open(checkpoint, options, place, kernels, pool);
}

Result<PackedFile> replace_packed(const Checkpoint& checkpoint, const PackOptions& options,
                                  const kernels::Kernels& kernels, ThreadPool& pool) {
  const Place place = place_of(checkpoint, options);
  const auto lock = DirectoryLock::acquire(place.folder);
  if (!lock) return lock.error();
  auto file = verified(
      PackedFile::open(place.path, PackedLayout(checkpoint, options.mode), place.identity), pool);
  if (file) return file;
  say_packing_anew(file.error(), options.progress);
  return pack_and_open(checkpoint, options, place, kernels, pool);
}

}  // namespace baton::checkpoint
