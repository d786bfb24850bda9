// Report: what a measurement says: tables for people on standard output, the same rows as JSON.
//
// Also what must hold on every machine: expect() remembers what does not. Thread safety: one
// thread.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace baton::bench {

using Json = nlohmann::ordered_json;

struct Column {
  std::string name;  // "KiB a token"; in JSON KiB_a_token
  int decimals = 0;  // of its fractions
};

class Table {
 public:
  Table(std::string title, std::vector<Column> columns)
      : title_(std::move(title)), columns_(std::move(columns)) {}

  void add(std::vector<Json> cells);  // one for each column; null is printed as -
  void print() const;
  Json json() const;
  const std::string& title() const { return title_; }

 private:
  std::string text(size_t column, const Json& cell) const;

  std::string title_;
  std::vector<Column> columns_;
  std::vector<std::vector<Json>> rows_;
};

class Report {
 public:
  // Processor, memory, load: what the figures below were measured on.
  void machine();
  void section(const std::string& name, const std::string& what);
  void add(const Table& table);
  void expect(bool holds, const std::string& sentence);
  void fail(const std::string& sentence);

  const std::vector<std::string>& failures() const { return failures_; }
  Json json() const;

 private:
  Json machine_;
  Json tables_ = Json::array();
  std::string section_;
  std::vector<std::string> failures_;
};

}  // namespace baton::bench
