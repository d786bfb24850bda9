#include "bench/parallel/tools/report.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <fstream>

#include "base/result.h"
#include "base/system/cpu.h"
#include "model/kernels/kernels.h"

namespace baton::bench {

namespace {

std::string key_of(const std::string& name) {
  std::string key;
  for (const char c : name) {
    if (c == '%') {
      key += "percent";
    } else {
      key += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
    }
  }
  return key;
}

std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

double load_average() {
  double load = 0;
  std::ifstream("/proc/loadavg") >> load;
  return load;
}

}  // namespace

void Table::add(std::vector<Json> cells) {
  check(cells.size() == columns_.size(), "a row has a cell for each column");
  rows_.push_back(std::move(cells));
}

std::string Table::text(size_t column, const Json& cell) const {
  if (cell.is_null()) return "-";
  if (cell.is_string()) return cell.get<std::string>();
  if (cell.is_number_float())
    return fmt::format("{:.{}f}", cell.get<double>(), columns_[column].decimals);
  return cell.dump();
}

void Table::print() const {
  fmt::print("\n{}\n", title_);
  std::vector<size_t> widths;
  for (size_t c = 0; c < columns_.size(); ++c) {
    size_t width = columns_[c].name.size();
    for (const auto& row : rows_) width = std::max(width, text(c, row[c]).size());
    widths.push_back(width);
  }
  const auto line = [&](auto&& cell, auto&& left) {
    std::string out;
    for (size_t c = 0; c < columns_.size(); ++c) {
      out += left(c) ? fmt::format("  {:<{}}", cell(c), widths[c])
                     : fmt::format("  {:>{}}", cell(c), widths[c]);
    }
    fmt::print("{}\n", out.substr(0, out.find_last_not_of(' ') + 1));
  };
  const auto words = [&](size_t c) { return !rows_.empty() && rows_.front()[c].is_string(); };
  line([&](size_t c) { return columns_[c].name; }, words);
  for (const auto& row : rows_) line([&](size_t c) { return text(c, row[c]); }, words);
  std::fflush(stdout);
}

Json Table::json() const {
  Json rows = Json::array();
  for (const auto& row : rows_) {
    Json& to = rows.emplace_back();
    for (size_t c = 0; c < row.size(); ++c) to[key_of(columns_[c].name)] = row[c];
  }
  return {{"title", title_}, {"rows", rows}};
}

void Report::machine() {
  const auto pages = static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES));
  const auto bytes = pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  machine_ = {{"processor", processor()},
              {"cores", cpu_count()},
              {"features", describe(cpu_features())},
              {"kernels", kernels::to_string(kernels::best_kernels().isa)},
              {"memory_GiB", static_cast<double>(bytes >> 20) / 1024},
              {"load_at_start", load_average()}};
  fmt::print("{}; {} cores ({}), kernels {}; {:.0f} GiB; load at the start {:.2f}\n", processor(),
             cpu_count(), describe(cpu_features()), kernels::to_string(kernels::best_kernels().isa),
             static_cast<double>(bytes >> 20) / 1024, load_average());
}

void Report::section(const std::string& name, const std::string& what) {
  section_ = name;
  fmt::print("\n==== {}: {}\n", name, what);
  std::fflush(stdout);
}

void Report::add(const Table& table) {
  table.print();
  Json& to = tables_.emplace_back(table.json());
  to["section"] = section_;
}

void Report::expect(bool holds, const std::string& sentence) {
  if (!holds) fail("it does not hold that " + sentence);
}

void Report::fail(const std::string& sentence) {
  failures_.push_back(fmt::format("{}: {}", section_, sentence));
}

Json Report::json() const {
  return {{"machine", machine_}, {"tables", tables_}, {"failures", failures_}};
}

}  // namespace baton::bench
