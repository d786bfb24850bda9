// What Hugging Face's own JavaScript makes of texts and conversations: node oracle.mjs TOKENIZER_DIR
// COUNT NAME=TEMPLATE... Prints JSON lines: {text, ids}, then {template, body, ids}. The same on
// each run.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Template } from "@huggingface/jinja";
import { Tokenizer } from "@huggingface/tokenizers";

const [folder, count, ...named] = process.argv.slice(2);
const read = (name) => JSON.parse(readFileSync(join(folder, name), "utf8"));
const config = read("tokenizer_config.json");
const tokenizer = new Tokenizer(read("tokenizer.json"), config);
const encode = (text) => tokenizer.encode(text, { add_special_tokens: false }).ids;
const templates = { v3: config.chat_template };
for (const each of named) {
  const at = each.indexOf("=");
  templates[each.slice(0, at)] = readFileSync(each.slice(at + 1), "utf8");
}

let state = 20240607;
function below(n) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * n);
}
const pick = (list) => list[below(list.length)];

// Blocks whose characters are old: what is a letter there doesn't depend on a Unicode version.
const BLOCKS = [[0x20, 0x7e], [0xa1, 0x17f], [0x391, 0x3a1], [0x3b1, 0x3c9], [0x410, 0x44f],
                [0x5d0, 0x5ea], [0x627, 0x64a], [0x905, 0x939], [0x93e, 0x94d], [0xe01, 0xe3a],
                [0x300, 0x33f], [0x2010, 0x2027], [0x2190, 0x21ff], [0x2200, 0x22ff],
                [0x3041, 0x3096], [0x30a1, 0x30fa], [0x3001, 0x3011], [0x4e00, 0x9fa5],
                [0xac00, 0xd7a3], [0xff01, 0xff5e], [0x1d400, 0x1d454], [0x1f300, 0x1f320],
                [0x1f400, 0x1f43e], [0x1f600, 0x1f640], [0x2f800, 0x2f82f]];
const WORDS = ("the of and to in is that for as with on are be this have from or had by word but what " +
  "some we can out other were all there when up use your how said an each she which do their time " +
  "if will way about many then them write would like so these her long make thing see him two has " +
  "don't we'll it's they've I'm you'd HTTP JSON utf8 snake_case camelCase x86_64 München naïve " +
  "Straße здравствуйте привет 東京 模型 深度学习 你好 数据 ありがとう カタカナ 서울 안녕하세요").split(" ");
const SPACES = [" ", " ", " ", " ", "  ", "   ", "\n", "\n\n", " \n", "\t", "\r\n", "\n    ", "        ",
                "\u00a0", "\u3000", "\u2028"];
const CODE = ["{\"a\": [1, 2.5e-3, null]}", "for (int i = 0; i < n; ++i) {\n\tx[i] += 1;\n}", "</p>",
              "<b>bold</b>", "def f(x):\n    return x ** 2", "https://example.org/a?b=c&d=%20#e",
              "SELECT * FROM t WHERE a <> 'b';", "\\frac{1}{2}", "a_b-c.d,e;f:g!h?", "#include <x>",
              "👩‍👩‍👧", "🏳️‍🌈", "e\u0301", "1,234,567.89", "２０２４年", "+49 (0)30 1234567"];
const ADDED = ["<｜User｜>", "<｜Assistant｜>", "<｜tool▁sep｜>", "<｜end▁of▁sentence｜>", "<｜fim▁hole｜>",
               "<|EOT|>"];

function piece(spells) {
  const kind = below(spells ? 12 : 11);
  if (kind < 5) return pick(WORDS);
  if (kind === 5) return String(below(10 ** (1 + below(9))));
  if (kind < 8) {
    const [low, high] = pick(BLOCKS);
    return Array.from({ length: 1 + below(6) },
      () => String.fromCodePoint(low + below(high - low + 1))).join("");
  }
  if (kind === 8) return pick(CODE);
  if (kind === 9) return pick(WORDS).toUpperCase() + pick([".", ",", "!", "?", ":", ")", "\"", "'"]);
  if (kind === 10) return pick(SPACES) + pick(SPACES);
  return pick(ADDED);
}

function text(pieces, spells) {
  let out = below(4) === 0 ? pick(SPACES) : "";
  for (let n = below(pieces) + 1; n > 0; --n) out += piece(spells) + (below(3) ? pick(SPACES) : "");
  return out;
}

// Conversations that no template garbles: what is mended is tested elsewhere.
function conversation() {
  const messages = [];
  if (below(2)) messages.push({ role: "system", content: text(12) });
  for (let turns = below(4); turns > 0; --turns) {
    messages.push({ role: "user", content: text(12) }, { role: "assistant", content: text(12) });
  }
  messages.push({ role: "user", content: text(12) });
  return messages;
}

const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");
for (let i = 0; i < Number(count); ++i) {
  const line = text(40, true);
  say({ text: line, ids: encode(line) });
}
const render = Object.entries(templates).map(([name, source]) => [name, new Template(source)]);
for (let i = 0; i < Number(count) / 4; ++i) {
  const messages = conversation();
  const add_generation_prompt = below(4) > 0, thinking = below(2) === 1;
  for (const [template, body] of render) {
    const prompt = body.render({ messages, add_generation_prompt, thinking, tools: null,
      bos_token: "<｜begin▁of▁sentence｜>", eos_token: "<｜end▁of▁sentence｜>" });
    say({ template, body: { messages, add_generation_prompt, chat_template_kwargs: { thinking } },
          ids: encode(prompt) });
  }
}
