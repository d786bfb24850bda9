#include "model/text/jinja/parser.h"

#include <algorithm>
#include <utility>

#include "model/text/jinja/token_stream.h"

namespace baton::text::jinja {
namespace {

class Parser {
 public:
  Parser(std::vector<Token> tokens, SyntaxTree& tree)
      : stream_(std::move(tokens)), tree_(tree), exprs_(stream_, tree) {}

  Result<void> run() {
    BATON_TRY(body, statements({}));
    if (!stream_.at(TokenKind::end)) return stream_.unexpected("the end");
    tree_.body = std::move(body);
    return {};
  }

 private:
  using Ends = std::initializer_list<std::string_view>;
  using Parsed = Result<const Stmt*>;

  Stmt& node(Stmt::Kind kind) {
    Stmt& stmt = tree_.stmts.emplace_back();
    stmt.kind = kind;
    stmt.line = stream_.current().line;
    return stmt;
  }

  // Statements up to a block that begins with one of `ends`, whose name is then the current token.
  Result<Body> statements(Ends ends) {
    if (++depth_ > syntax_depth_max / 4) return stream_.unexpected("fewer nested blocks");
    Body body;
    while (!stream_.at(TokenKind::end)) {
      if (stream_.at(TokenKind::data)) {
        Stmt& data = node(Stmt::Kind::data);
        data.text = Text(stream_.take().text, true);
        body.push_back(&data);
      } else if (stream_.at(TokenKind::variable_begin)) {
        stream_.take();
        Stmt& output = node(Stmt::Kind::output);
        BATON_TRY(expr, exprs_.expression_or_tuple());
        output.expr = expr;
        if (!stream_.at(TokenKind::variable_end)) return stream_.unexpected("}}");
        stream_.take();
        body.push_back(&output);
      } else {
        stream_.take();  // {%
        const bool over =
            std::any_of(ends.begin(), ends.end(), [&](auto end) { return stream_.at_name(end); });
        if (over) {
          --depth_;
          return body;
        }
        BATON_TRY(stmt, statement());
        body.push_back(stmt);
      }
    }
    if (ends.size() > 0) return stream_.unexpected(*ends.begin());
    --depth_;
    return body;
  }

  Result<void> block_end() {
    if (!stream_.at(TokenKind::block_end)) return stream_.unexpected("%}");
    stream_.take();
    return {};
  }

  // The body of a block, its end tag included.
  Result<Body> body_until(std::string_view end) {
    BATON_CHECKED(block_end());
    BATON_TRY(body, statements({end}));
    stream_.take();
    BATON_CHECKED(block_end());
    return std::move(body);
  }

  Parsed statement() {
    if (!stream_.at(TokenKind::name)) return stream_.unexpected("a statement");
    const std::string name = stream_.current().text;
    if (name == "for") return loop();
    if (name == "if") return choice();
    if (name == "set") return set();
    if (name == "macro") return macro();
    if (name == "call") return call();
    if (name == "filter") return filter();
    if (name == "with") return with();
    if (name == "generation") {
      stream_.take();
      Stmt& stmt = node(Stmt::Kind::plain);
      BATON_TRY(body, body_until("endgeneration"));
      stmt.body = std::move(body);
      return &stmt;
    }
    if (name == "break" || name == "continue") {
      if (loops_ == 0) return stream_.unexpected("a loop around it");
      stream_.take();
      Stmt& stmt = node(name == "break" ? Stmt::Kind::stop : Stmt::Kind::next);
      BATON_CHECKED(block_end());
      return &stmt;
    }
    return stream_.unexpected("a statement that is supported");
  }

  Parsed loop() {
    stream_.take();
    Stmt& stmt = node(Stmt::Kind::loop);
    BATON_TRY(target, exprs_.target());
    stmt.target = target;
    if (!stream_.skip_name("in")) return stream_.unexpected("in");
    BATON_TRY(items, exprs_.expression_or_tuple(false));
    stmt.expr = items;
    if (stream_.skip_name("if")) {
      BATON_TRY(condition, exprs_.expression());
      stmt.condition = condition;
    }
    stmt.recursive = stream_.skip_name("recursive");
    BATON_CHECKED(block_end());
    ++loops_;
    BATON_TRY(body, statements({"endfor", "else"}));
    --loops_;
    stmt.body = std::move(body);
    if (stream_.take().text == "else") {
      BATON_TRY(otherwise, body_until("endfor"));
      stmt.otherwise = std::move(otherwise);
      return &stmt;
    }
    BATON_CHECKED(block_end());
    return &stmt;
  }

  Parsed choice() {
    Stmt& stmt = node(Stmt::Kind::choice);
    while (true) {
      const std::string word = stream_.take().text;  // if, elif, else
      const Expr* condition = nullptr;
      if (word != "else") {
        BATON_TRY(expr, exprs_.expression_or_tuple());
        condition = expr;
      }
      BATON_CHECKED(block_end());
      BATON_TRY(body,
                word == "else" ? statements({"endif"}) : statements({"endif", "elif", "else"}));
      stmt.branches.emplace_back(condition, std::move(body));
      if (stream_.skip_name("endif")) break;
    }
    BATON_CHECKED(block_end());
    return &stmt;
  }

  Parsed set() {
    stream_.take();
    Stmt& stmt = node(Stmt::Kind::set);
    BATON_TRY(target, exprs_.target());
    stmt.target = target;
    if (stream_.skip_symbol("=")) {
      BATON_TRY(value, exprs_.expression_or_tuple());
      stmt.expr = value;
      BATON_CHECKED(block_end());
      return &stmt;
    }
    stmt.kind = Stmt::Kind::set_block;
    BATON_TRY(filters, exprs_.filters(nullptr));
    stmt.expr = filters;
    BATON_TRY(body, body_until("endset"));
    stmt.body = std::move(body);
    return &stmt;
  }

  // After '(': names with defaults, up to and with ')'.
  Result<void> parameters(Stmt& stmt) {
    for (bool first = true; !stream_.skip_symbol(")"); first = false) {
      if (!first) BATON_CHECKED(stream_.expect_symbol(","));
      BATON_TRY(name, stream_.expect_name());
      const Expr* fallback = nullptr;
      if (stream_.skip_symbol("=")) {
        BATON_TRY(value, exprs_.expression());
        fallback = value;
      }
      stmt.parameters.emplace_back(name, fallback);
    }
    return {};
  }

  // A body that loops around it don't reach into.
  Result<Body> separate_body(std::string_view end) {
    const size_t loops = std::exchange(loops_, 0);
    BATON_TRY(body, body_until(end));
    loops_ = loops;
    return std::move(body);
  }

  Parsed macro() {
    stream_.take();
    Stmt& stmt = node(Stmt::Kind::macro);
    BATON_TRY(name, stream_.expect_name());
    stmt.name = name;
    BATON_CHECKED(stream_.expect_symbol("("));
    BATON_CHECKED(parameters(stmt));
    BATON_TRY(body, separate_body("endmacro"));
    stmt.body = std::move(body);
    return &stmt;
  }

  Parsed call() {
    stream_.take();
    Stmt& stmt = node(Stmt::Kind::call_block);
    stmt.name = "caller";
    if (stream_.skip_symbol("(")) BATON_CHECKED(parameters(stmt));
    BATON_TRY(expr, exprs_.expression());
    if (expr->kind != Expr::Kind::call) return stream_.unexpected("a call");
    stmt.expr = expr;
    BATON_TRY(body, separate_body("endcall"));
    stmt.body = std::move(body);
    return &stmt;
  }

  Parsed filter() {
    stream_.take();
    Stmt& stmt = node(Stmt::Kind::filter_block);
    BATON_TRY(expr, exprs_.first_filter(nullptr));
    stmt.expr = expr;
    BATON_TRY(body, body_until("endfilter"));
    stmt.body = std::move(body);
    return &stmt;
  }

  Parsed with() {
    stream_.take();
    Stmt& stmt = node(Stmt::Kind::with);
    while (!stream_.at(TokenKind::block_end)) {
      if (!stmt.parameters.empty()) BATON_CHECKED(stream_.expect_symbol(","));
      BATON_TRY(name, stream_.expect_name());
      BATON_CHECKED(stream_.expect_symbol("="));
      BATON_TRY(value, exprs_.expression());
      stmt.parameters.emplace_back(name, value);
    }
    BATON_TRY(body, body_until("endwith"));
    stmt.body = std::move(body);
    return &stmt;
  }

  TokenStream stream_;
  SyntaxTree& tree_;
  ExprParser exprs_;
  uint32_t depth_ = 0;
  size_t loops_ = 0;
};

}  // namespace

Result<std::unique_ptr<const SyntaxTree>> parse_template(std::string_view source) {
  BATON_TRY(tokens, tokenize_template(source));
  auto tree = std::make_unique<SyntaxTree>();
  BATON_CHECKED(Parser(std::move(tokens), *tree).run());
  return std::unique_ptr<const SyntaxTree>(std::move(tree));
}

}  // namespace baton::text::jinja
