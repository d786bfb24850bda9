// The syntax tree of a template. The tree owns its nodes; nodes refer to each other by plain
// pointers into it. Thread safety: const after parsing.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "model/text/jinja/value.h"

namespace baton::text::jinja {

struct Expr {
  enum class Kind : uint8_t {
    literal,      // value
    name,         // name
    list,         // args
    tuple,        // args
    dict,         // args: key, value, key, value, ...
    attribute,    // args[0].name
    item,         // args[0][args[1]]
    slice,        // args[0][args[1]:args[2]:args[3]]; absent parts are null
    call,         // args[0](args[1...], named...)
    filter,       // args[0]|name(args[1...], named...)
    test,         // args[0] is name(args[1...])
    negation,     // not args[0]
    minus,        // -args[0]
    plus,         // +args[0]
    binary,       // args[0] name args[1]: + - * / // % ** ~
    compare,      // args[0] operators[0] args[1] operators[1] args[2] ...
    both,         // args[0] and args[1]
    either,       // args[0] or args[1]
    conditional,  // args[0] if args[1] else args[2] (may be null)
  };

  Kind kind = Kind::literal;
  uint32_t line = 0;
  uint32_t depth = 1;  // of the tree below, bounded by the parser
  std::string name;
  Text text;  // what a text literal's value points to
  Value value;
  std::vector<const Expr*> args;
  std::vector<std::pair<std::string, const Expr*>> named;
  std::vector<std::string> operators;
};

struct Stmt;
using Body = std::vector<const Stmt*>;

struct Stmt {
  enum class Kind : uint8_t {
    data,          // text
    output,        // {{ expr }}
    choice,        // branches: condition (null: else) and body
    loop,          // for target in expr [if condition]; body, otherwise
    set,           // target = expr
    set_block,     // target = body, through expr if it is a filter
    macro,         // name(parameters): body
    call_block,    // expr is the call; parameters, body are the caller
    filter_block,  // body through expr
    with,          // parameters (name and value), body
    stop,          // break
    next,          // continue
    plain,         // body: a generation block
  };

  Kind kind = Kind::data;
  uint32_t line = 0;
  std::string name;
  Text text;
  const Expr* expr = nullptr;
  const Expr* target = nullptr;  // a name, an attribute of a name, or a tuple of them
  const Expr* condition = nullptr;
  bool recursive = false;
  std::vector<std::pair<std::string, const Expr*>> parameters;  // with defaults, or null
  std::vector<std::pair<const Expr*, Body>> branches;
  Body body;
  Body otherwise;
};

struct SyntaxTree {
  std::deque<Expr> exprs;
  std::deque<Stmt> stmts;
  Body body;
};

}  // namespace baton::text::jinja
