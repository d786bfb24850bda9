#include "model/text/jinja/interpreter.h"

#include <algorithm>

namespace baton::text::jinja {

Interpreter::Interpreter(Heap& heap, Frame globals) : heap_(heap) {
  Frame functions;
  for (const auto& name : function_names()) {
    functions.emplace_back(name, heap.callable(Callable{.name = name}));
  }
  frames_.push_back(std::move(functions));
  frames_.push_back(std::move(globals));
  frames_.emplace_back();  // what the template sets at its top level
}

Result<Text> Interpreter::run(const SyntaxTree& tree) {
  Text out;
  BATON_CHECKED(execute(tree.body, out));
  return out;
}

Result<void> Interpreter::enter() {
  if (++depth_ > heap_.limits().depth_max) {
    return fail(ErrorCode::resource_exhausted, "the chat template goes deeper than {} levels",
                heap_.limits().depth_max);
  }
  return heap_.charge(1);
}

const Value* Interpreter::find(std::string_view name) const {
  for (auto frame = frames_.rbegin(); frame != frames_.rend(); ++frame) {
    for (auto entry = frame->rbegin(); entry != frame->rend(); ++entry) {
      if (entry->first == name) return &entry->second;
    }
  }
  return nullptr;
}

void Interpreter::define(std::string_view name, const Value& value) {
  for (auto& [known, slot] : frames_.back()) {
    if (known == name) {
      slot = value;
      return;
    }
  }
  frames_.back().emplace_back(name, value);
}

Result<void> Interpreter::print(const Text& text, Text& out) {
  out.append(text);
  if (out.size() > heap_.limits().output_bytes_max) {
    return fail(ErrorCode::resource_exhausted, "the chat template writes more than {} bytes",
                heap_.limits().output_bytes_max);
  }
  return heap_.charge(text.size() / 64);
}

Result<Interpreter::Flow> Interpreter::execute(const Body& body, Text& out) {
  for (const Stmt* stmt : body) {
    BATON_CHECKED(enter());
    auto flow = execute(*stmt, out);
    leave();
    if (!flow) {
      Error error = flow.error();
      if (error.message.find(" (line ") == error.message.npos) {
        error.message += fmt::format(" (line {})", stmt->line);
      }
      return error;
    }
    if (*flow != Flow::on) return *flow;
  }
  return Flow::on;
}

Result<Interpreter::Flow> Interpreter::execute(const Stmt& stmt, Text& out) {
  switch (stmt.kind) {
    case Stmt::Kind::data:
      BATON_CHECKED(print(stmt.text, out));
      return Flow::on;
    case Stmt::Kind::output: {
      BATON_TRY(value, evaluate(*stmt.expr));
      BATON_TRY(text, to_text(value, heap_));
      BATON_CHECKED(print(text, out));
      return Flow::on;
    }
    case Stmt::Kind::choice:
      return choose(stmt, out);
    case Stmt::Kind::loop: {
      BATON_TRY(items, evaluate(*stmt.expr));
      return loop(stmt, items, 1, out);
    }
    case Stmt::Kind::set: {
      BATON_TRY(value, evaluate(*stmt.expr));
      BATON_CHECKED(assign(*stmt.target, value));
      return Flow::on;
    }
    case Stmt::Kind::set_block:
      BATON_CHECKED(set_block(stmt));
      return Flow::on;
    case Stmt::Kind::macro:
      define(stmt.name, heap_.callable({stmt.name, &stmt, frames_.size(), false}));
      return Flow::on;
    case Stmt::Kind::call_block:
      return call_block(stmt, out);
    case Stmt::Kind::filter_block: {
      Text inner;
      BATON_TRY(flow, execute(stmt.body, inner));
      BATON_TRY(input, heap_.text(std::move(inner)));
      BATON_TRY(value, filter(*stmt.expr, &input));
      BATON_TRY(text, to_text(value, heap_));
      BATON_CHECKED(print(text, out));
      return flow;
    }
    case Stmt::Kind::with:
      return with(stmt, out);
    case Stmt::Kind::stop:
      return Flow::stop;
    case Stmt::Kind::next:
      return Flow::next;
    case Stmt::Kind::plain:
      return execute(stmt.body, out);
  }
  return Flow::on;
}

Result<Interpreter::Flow> Interpreter::choose(const Stmt& stmt, Text& out) {
  for (const auto& [condition, body] : stmt.branches) {
    if (condition) {
      BATON_TRY(value, evaluate(*condition));
      if (!truth(value)) continue;
    }
    return execute(body, out);
  }
  return Flow::on;
}

Result<Interpreter::Flow> Interpreter::loop(const Stmt& stmt, const Value& items, size_t depth,
                                            Text& out) {
  BATON_TRY(all, elements(items, heap_));
  if (stmt.condition) {
    std::vector<Value> kept;
    for (const auto& item : all) {
      frames_.emplace_back();
      BATON_CHECKED(assign(*stmt.target, item));
      BATON_TRY(holds, evaluate(*stmt.condition));
      frames_.pop_back();
      if (truth(holds)) kept.push_back(item);
    }
    all = std::move(kept);
  }
  if (all.empty()) return execute(stmt.otherwise, out);
  BATON_TRY(list, heap_.list(std::move(all)));
  const Value state = heap_.loop(Loop{.items = list.list, .depth = depth});
  if (stmt.recursive) state.loop->statement = &stmt;
  for (size_t i = 0; i < list.list->items.size(); ++i) {
    state.loop->index = i;
    frames_.emplace_back();
    define("loop", state);
    BATON_CHECKED(assign(*stmt.target, list.list->items[i]));
    BATON_TRY(flow, execute(stmt.body, out));
    frames_.pop_back();
    BATON_CHECKED(heap_.charge(1));
    if (flow == Flow::stop) break;
  }
  return Flow::on;
}

Result<void> Interpreter::set_block(const Stmt& stmt) {
  Text inner;
  frames_.emplace_back();
  BATON_CHECKED(execute(stmt.body, inner));
  frames_.pop_back();
  BATON_TRY(value, heap_.text(std::move(inner)));
  if (!stmt.expr) return assign(*stmt.target, value);
  BATON_TRY(filtered, filter(*stmt.expr, &value));
  return assign(*stmt.target, filtered);
}

Result<Interpreter::Flow> Interpreter::call_block(const Stmt& stmt, Text& out) {
  const Value caller = heap_.callable({stmt.name, &stmt, frames_.size(), true});
  BATON_TRY(value, call(*stmt.expr, &caller));
  BATON_TRY(text, to_text(value, heap_));
  BATON_CHECKED(print(text, out));
  return Flow::on;
}

Result<Interpreter::Flow> Interpreter::with(const Stmt& stmt, Text& out) {
  Frame frame;
  for (const auto& [name, expr] : stmt.parameters) {
    BATON_TRY(value, evaluate(*expr));
    frame.emplace_back(name, value);
  }
  frames_.push_back(std::move(frame));
  BATON_TRY(flow, execute(stmt.body, out));
  frames_.pop_back();
  return flow;
}

Result<void> Interpreter::assign(const Expr& target, const Value& value) {
  if (target.kind == Expr::Kind::name) return define(target.name, value), Result<void>();
  if (target.kind == Expr::Kind::attribute) {
    const Value* object = find(target.args[0]->name);
    if (!object || !object->is(Kind::dict) || !object->dict->is_namespace) {
      return mistake("'{}' is no namespace, so '{}' can't be set", target.args[0]->name,
                     target.name);
    }
    Dict* dict = object->dict;
    BATON_TRY(key, heap_.text(target.name, true));
    dict->set(key, value);
    return {};
  }
  BATON_TRY(parts, elements(value, heap_));
  if (parts.size() != target.args.size()) {
    return mistake("{} values are given to {} names", parts.size(), target.args.size());
  }
  for (size_t i = 0; i < parts.size(); ++i) BATON_CHECKED(assign(*target.args[i], parts[i]));
  return {};
}

Result<Arguments> Interpreter::arguments(const Expr& expr, size_t skip) {
  Arguments result;
  for (size_t i = skip; i < expr.args.size(); ++i) {
    BATON_TRY(value, evaluate(*expr.args[i]));
    result.positional.push_back(value);
  }
  for (const auto& [name, arg] : expr.named) {
    BATON_TRY(value, evaluate(*arg));
    result.named.emplace_back(name, value);
  }
  return result;
}

Result<Value> Interpreter::call(const Expr& expr, const Value* caller) {
  const Expr& callee = *expr.args[0];
  if (callee.kind != Expr::Kind::attribute) {
    BATON_TRY(function, evaluate(callee));
    BATON_TRY(args, arguments(expr, 1));
    return call_value(function, callee, std::move(args), caller);
  }
  BATON_TRY(self, evaluate(*callee.args[0]));
  BATON_TRY(args, arguments(expr, 1));
  if (self.is(Kind::undefined)) return mistake("an undefined value has no '{}'", callee.name);
  if (self.is(Kind::loop)) return call_loop(*self.loop, callee.name, args);
  if (self.is(Kind::dict)) {
    const Value* entry = self.dict->find(callee.name);
    if (entry && entry->is(Kind::callable)) {
      return call_value(*entry, callee, std::move(args), caller);
    }
  }
  return call_method(self, callee.name, args, heap_);
}

Result<Value> Interpreter::call_value(const Value& callee, const Expr& expr, Arguments arguments,
                                      const Value* caller) {
  if (callee.is(Kind::loop)) return call_loop(*callee.loop, "", arguments);
  if (!callee.is(Kind::callable)) {
    return mistake("'{}' is a {}, no function", expr.name, kind_name(callee));
  }
  if (callee.callable->statement) {
    return call_macro(*callee.callable, std::move(arguments), caller);
  }
  return call_function(callee.callable->name, arguments, heap_);
}

Result<Value> Interpreter::call_macro(const Callable& macro, Arguments arguments,
                                      const Value* caller) {
  const Stmt& stmt = *static_cast<const Stmt*>(macro.statement);
  if (arguments.positional.size() > stmt.parameters.size()) {
    return mistake("the macro '{}' takes {} arguments", macro.name, stmt.parameters.size());
  }
  BATON_CHECKED(enter());
  // A macro sees the scopes around its definition, not those of its caller.
  std::vector<Frame> hidden;
  const size_t seen = std::min(macro.frames, frames_.size());
  std::move(frames_.begin() + static_cast<ptrdiff_t>(seen), frames_.end(),
            std::back_inserter(hidden));
  frames_.resize(seen);
  frames_.emplace_back();
  if (caller) define("caller", *caller);
  for (size_t i = 0; i < stmt.parameters.size(); ++i) {
    const auto& [name, fallback] = stmt.parameters[i];
    Value value;
    if (const Value* given = arguments.get(i, name)) {
      value = *given;
    } else if (fallback) {
      BATON_TRY(computed, evaluate(*fallback));
      value = computed;
    }
    define(name, value);
  }
  Text out;
  BATON_CHECKED(execute(stmt.body, out));
  frames_.resize(seen);
  std::move(hidden.begin(), hidden.end(), std::back_inserter(frames_));
  leave();
  return heap_.text(std::move(out));
}

Result<Value> Interpreter::call_loop(Loop& loop, std::string_view name,
                                     const Arguments& arguments) {
  if (name.empty()) {
    const Value* items = arguments.get(0, "iterable");
    if (!loop.statement || !items) return mistake("only a recursive loop can be called");
    BATON_CHECKED(enter());
    Text out;
    BATON_CHECKED(
        this->loop(*static_cast<const Stmt*>(loop.statement), *items, loop.depth + 1, out));
    leave();
    return heap_.text(std::move(out));
  }
  if (name == "cycle") {
    if (arguments.positional.empty()) return mistake("loop.cycle needs values");
    return arguments.positional[loop.index % arguments.positional.size()];
  }
  if (name == "changed") {
    BATON_TRY(seen, heap_.list(arguments.positional, true));
    bool changed = true;
    if (loop.changed) {
      BATON_TRY(same, equal(*loop.changed, seen, heap_));
      changed = !same;
    }
    loop.changed = seen;
    return Value::of_bool(changed);
  }
  return mistake("a loop has no method '{}'", name);
}

}  // namespace baton::text::jinja
