// Panels: a weight as INT8 or 4-bit panels of 32 rows (int8.h says what lies in one), and views of
// it.
//
// Rows are cut into units of equal size (a head's rows, or all of them) and each unit into panels,
// the last of a unit filled with zero rows, so that a rank may own whole units. Columns are cut
// into segments, so that a rank may own whole segments. A view never copies.
// Thread safety: values; who made a view keeps the bytes alive.
#pragma once

#include <cstddef>
#include <span>

#include "model/kernels/kernels.h"

namespace baton::kernels {

struct PanelShape {
  size_t rows = 0;
  size_t cols = 0;
  size_t unit_rows = 0;   // a divisor of the rows; 0: all of them
  unsigned segments = 1;  // a divisor of the columns; a power of two, at most kSegmentsMax
  PanelForm form = PanelForm::int8;

  size_t unit() const { return unit_rows == 0 ? rows : unit_rows; }
  size_t unit_panels() const { return (unit() + kInt8PanelRows - 1) / kInt8PanelRows; }
  size_t panels() const { return rows == 0 ? 0 : rows / unit() * unit_panels(); }
  size_t panel_bytes() const;
  size_t bytes() const { return panels() * panel_bytes(); }
  Contraction contraction() const;
  friend bool operator==(const PanelShape&, const PanelShape&) = default;
};

// Of the quantised rows of a contraction.
size_t code_bytes(const Contraction& contraction);
size_t group_count(const Contraction& contraction);

class Panels {
 public:
  Panels() = default;
  Panels(const PanelShape& shape, const std::byte* data);

  size_t rows() const { return shape_.rows; }
  size_t cols() const { return shape_.cols; }
  bool empty() const { return shape_.rows == 0; }
  const PanelShape& shape() const { return shape_; }
  const Contraction contraction() const { return shape_.contraction(); }

  size_t panels() const { return shape_.panels(); }
  const std::byte* panel(size_t index) const { return data_ + index * stride_; }
  size_t first_row(size_t panel) const;
  size_t rows_of(size_t panel) const;  // without the filling
  size_t stride() const { return stride_; }

  Panels units(size_t begin, size_t end) const;
  Panels segments(unsigned begin, unsigned end) const;

 private:
  PanelShape shape_;
  const std::byte* data_ = nullptr;
  size_t stride_ = 0;  // bytes from panel to panel
};

// Quantises one panel of a weight. rows: [rows of the panel, cols] as float32.
void pack_panel(const Kernels& kernels, const PanelShape& shape, std::span<const float> rows,
                std::byte* out);

// A weight row as the products see it: code times scale. out: [cols]. For tests and tools.
void unpack_row(const Panels& panels, size_t row, std::span<float> out);

}  // namespace baton::kernels
