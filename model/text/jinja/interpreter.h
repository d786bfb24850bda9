// Interpreter: runs a syntax tree on the variables of one request.
//
// Scopes are Jinja's: a loop's body and a macro's body see outer variables, what they set stays
// inside (a namespace carries it out). No host object, file, clock or random number can be
// reached. Every step is charged to the heap. Thread safety: one render, one thread.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/text/jinja/builtins.h"
#include "model/text/jinja/syntax.h"

namespace baton::text::jinja {

using Frame = std::vector<std::pair<std::string_view, Value>>;

class Interpreter {
 public:
  // `globals`: names outlive the interpreter. Names set later hide earlier ones.
  Interpreter(Heap& heap, Frame globals);

  Result<Text> run(const SyntaxTree& tree);

 private:
  enum class Flow : uint8_t { on, stop, next };  // after a statement; stop: break, next: continue

  Result<Flow> execute(const Body& body, Text& out);
  Result<Flow> execute(const Stmt& stmt, Text& out);
  Result<Flow> choose(const Stmt& stmt, Text& out);
  Result<Flow> loop(const Stmt& stmt, const Value& items, size_t depth, Text& out);
  Result<void> set_block(const Stmt& stmt);
  Result<Flow> call_block(const Stmt& stmt, Text& out);
  Result<Flow> with(const Stmt& stmt, Text& out);
  Result<void> print(const Text& text, Text& out);
  Result<void> assign(const Expr& target, const Value& value);

  Result<Value> evaluate(const Expr& expr);
  Result<Value> evaluate_checked(const Expr& expr);
  Result<Value> lookup(const Expr& expr);
  Result<Value> make_list(const Expr& expr);
  Result<Value> make_dict(const Expr& expr);
  Result<Value> slice(const Expr& expr);
  Result<Value> compare(const Expr& expr);
  Result<Value> filter(const Expr& expr, const Value* input);
  Result<Value> call(const Expr& expr, const Value* caller);
  Result<Value> call_value(const Value& callee, const Expr& expr, Arguments arguments,
                           const Value* caller);
  Result<Value> call_macro(const Callable& macro, Arguments arguments, const Value* caller);
  Result<Value> call_loop(Loop& loop, std::string_view name, const Arguments& arguments);
  // The arguments of a call or filter; the first `skip` of expr.args are not among them.
  Result<Arguments> arguments(const Expr& expr, size_t skip);
  Result<void> enter();
  void leave() { --depth_; }

  const Value* find(std::string_view name) const;
  void define(std::string_view name, const Value& value);

  Heap& heap_;
  std::vector<Frame> frames_;  // the innermost last
  size_t depth_ = 0;
};

// a + b, a * b, a ~ b, ...; -a for one operand.
Result<Value> calculate(std::string_view op, const Value& a, const Value& b, Heap& heap);
Result<Value> negate(const Value& value);

}  // namespace baton::text::jinja
