#!/usr/bin/env python3
"""Writes cases.jsonl: templates and what the reference implementation, jinja2, makes of them.

    python3 make_cases.py > cases.jsonl        # needs jinja2 3.1

Each line has `source`, `expected` (or `fails`: true). All are rendered with the variables below,
which are also in the first line. The environment is the one chat templates are rendered in.
"""
import json
import sys

from jinja2.exceptions import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

VARIABLES = {
    "n": 7, "z": 0, "neg": -3, "f": 2.5, "big": 1e20, "t": True, "no": False, "nil": None,
    "s": "Hello, wörld", "e": "", "pad": " \t padded\u00a0 \n", "zh": "你好世界", "q": "it's \"q\"\n\\",
    "l": [3, 1, 2], "words": ["b", "A", "c", "a"], "empty": [], "nested": [[1, 2], [3, 4]],
    "d": {"b": 1, "a": {"x": [1, 2]}, "items": "own"}, "ed": {},
    "users": [{"name": "Ann", "age": 30, "on": True}, {"name": "bob", "age": 4, "on": False},
              {"name": "Cy", "age": 30}],
    "json": {"k": "<b>&'\"é\u2028\x01", "n": None, "i": 1, "f": 1.0, "t": True, "l": [], "o": {}},
}

EXPRESSIONS = """
1 + 2 * 3 - 4 / 2
7 // 2 ~ -7 // 2 ~ 7 % 3 ~ -7 % 3
2 ** 10
2 ** -1
-n ** 2
1.5 + 1
10 / 4
10 / 5
1e3
big
0.1 + 0.2
1e16
123456789.125
f ~ n ~ t ~ nil ~ s
'a' 'b' "c"
'\\n\\t\\'x\\u00e9\\x41\\\\'
s + '!'
s * 2
[1] * 3
l + [9]
(1,)
(1, 'a')
[1, 'a', none, true, 2.0, "it's", 'é', '\\n']
{'a': 1, 2: [3]}
q
[q]
n == 7.0
t == 1
'a' < 'b'
'a' == 'a' != 'b'
1 < 2 < 3
1 < 3 < 2
n in l
3 in l
3 not in l
'wö' in s
'b' in d
'zz' in d
not t
not t or n
z or 'x'
z and 'x'
n and 'x'
'yes' if t else 'no'
'yes' if no
nothing
nothing is defined
s is defined
nil is none
nil is not none
s is string
n is number and f is number and not s is number
n is integer
f is integer
f is float
t is boolean
t is number
l is iterable and d is iterable and s is iterable
n is iterable
d is mapping
l is mapping
l is sequence
n is odd
n is divisibleby 7
n is divisibleby(2)
n is eq 7
n is gt 3
n is in [7]
'a' is lower
'A' is upper
t is true
no is false
l is sameas l
l[0] ~ l[-1] ~ l[5]
l[0:2]
l[::-1]
l[1:]
l[:-1]
l[-2:]
l[::2]
s[0]
s[-1]
s[7:9]
s[::-1]
zh[1:3]
zh|length
s|length
d.b
d['b']
d.a.x[1]
d.items is callable
d['items']
[d]|map(attribute='items')|list
d.missing
d.get('b')
d.get('zz')
d.get('zz', 5)
ed.items()|list
d.keys()|list
d.values()|list
users[0].name
users.0.name
users|map(attribute='name')|join(', ')
users|map(attribute='on', default='?')|list
users|selectattr('on')|map(attribute='name')|list
users|selectattr('age', 'equalto', 30)|map(attribute='name')|list
users|selectattr('age', 'gt', 10)|list|length
users|rejectattr('on', 'defined')|map(attribute='name')|list
users|sort(attribute='name')|map(attribute='name')|list
users|map(attribute='age')|sum
users|sum(attribute='age')
users|map(attribute='age')|unique|list
words|sort|list
words|sort(reverse=true)|list
words|sort(case_sensitive=true)|list
words|unique|list
words|map('upper')|list
words|select('in', ['a', 'b'])|list
l|sort|first
l|last
l|max ~ l|min
words|max
l|reverse|list
s|reverse
l|join
l|join('-')
l|join('-', attribute='x') if no else 'skip'
empty|first
empty|join(',')
'abc DEF'|upper
'abc DEF'|lower
'abc dEF'|title
'abc DEF'|capitalize
pad|trim
pad|trim|length
'xxaxx'|trim('x')
s|replace('l', 'L')
s|replace('l', 'L', 1)
nothing|default('dflt')
e|default('dflt')
e|default('dflt', true)
nil|default('dflt', true)
nothing|d
'42'|int + 1
'x'|int
'x'|int(5)
3.9|int
'2.5'|float
n|float
'<a href="x">&\\'</a>'|e
s|safe
n|string ~ 'x'
neg|abs
2.567|round(2)
2.5|round
2.3|round(method='ceil')
2.7|round(0, 'floor')
d|items|list
ed|items|list
{'b': 1, 'a': 2}|dictsort
{'b': 1, 'a': 2}|dictsort(by='value')
json|tojson
json|tojson(indent=2)
s|tojson
zh|tojson
l|tojson
n|tojson ~ f|tojson ~ t|tojson ~ nil|tojson ~ big|tojson
(1, 2)|tojson
d|tojson(sort_keys=true)
json|tojson(separators=(',', ':'))
'a\\nb\\n\\nc'|indent
'a\\nb\\n\\nc'|indent(2, true)
'a\\nb\\n\\nc'|indent(2, first=false, blank=true)
'abc'.upper()
' x '.strip() ~ '|'
'  x'.lstrip() ~ 'x  '.rstrip() ~ '|'
'xxaxx'.strip('x')
'a,b,,c'.split(',')
'a,b,,c'.split(',', 1)
'a,b,,c'.rsplit(',', 1)
' a  b c '.split()
' a  b c '.split(none, 1)
'a--b'.split('--')[-1]
''.split(',')
''.split()
'a\\nb\\r\\nc\\n'.splitlines()
s.startswith('Hello')
s.startswith(('x', 'H'))
s.endswith('ld')
s.replace('l', 'L', 1)
s.find('w')
s.find('zz')
s.count('l')
s.title()
'12'.isdigit()
'-'.join(['a', 'b'])
'abc'.removeprefix('a').removesuffix('c')
'a b'.split(' ')|map('upper')|join('+')
range(3)|list
range(1, 10, 3)|list
range(5, 0, -2)|list
dict(a=1, b='x')
namespace(a=1).a
[1, 2][1]
{'a': {'b': 'c'}}['a']['b']
{'a': 1}.a
'%' ~ '}'
s|length > 3 and n < 10
(n + 1) * 2
n if n > 5 else 'small'
(l|length) is odd
nested|map('join', '+')|join(';')
nested[0] + nested[1]
[[1, 2], [3]]|map('length')|list
'x' ~ 1 + 2
true == True
none == None
none
-1|abs
- 5 + 2
not not 1
1 if false else 2 if false else 3
"a" in ["a", "b"] and not "c" in ["a"]
s[100:]
s[:-100]
l[5:1]
nothing.x
nothing + 'x'
1 + 'x'
'x' + 1
nil + 'x'
1 / 0
l|nofilter
l is notest
d.nomethod()
n()
s.nomethod()
raise_exception('bad')
'a' < 1
{}.x.y
[].append(1)
""".strip("\n").split("\n")

TEMPLATES = [
    "{% for x in l %}{{ loop.index }}/{{ loop.length }}:{{ x }}{% if not loop.last %}, {% endif %}{% endfor %}",
    "{% for x in l %}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.previtem }}{{ loop.nextitem }};{% endfor %}",
    "{% for x in empty %}x{% else %}none{% endfor %}",
    "{% for x in l if x > 1 %}{{ loop.index }}{{ x }}{% endfor %}",
    "{% for k, v in d.items() %}x{% endfor %}",
    "{% for k, v in users[0].items() %}{{ k }}={{ v }};{% endfor %}",
    "{% for k in users[0] %}{{ k }};{% endfor %}",
    "{% for k, v in users[0]|items %}{{ k }}={{ v }};{% endfor %}",
    "{% for a, b in nested %}{{ a * b }} {% endfor %}",
    "{% for c in zh %}{{ c }}-{% endfor %}",
    "{% for x in nothing %}x{% endfor %}ok",
    "{% for x in range(10) %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 5 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in l %}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% for x in [1, 1, 2] %}{{ loop.changed(x) }}{% endfor %}",
    "{% for x in [1, [2, [3]]] recursive %}{{ loop.depth }}{% if x is iterable %}({{ loop(x) }}){% else %}{{ x }}{% endif %}{% endfor %}",
    "{% set x = 1 %}{% for i in l %}{% set x = x + i %}{{ x }} {% endfor %}{{ x }}",
    "{% set ns = namespace(x=1, y='a') %}{% for i in l %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}{{ ns.y }}{{ ns.q is defined }}",
    "{% if t %}{% set x = 5 %}{% endif %}{{ x }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}",
    "{% set x %}a{{ n }}b{% endset %}{{ x|upper }}",
    "{% set x | upper | trim %} abc {% endset %}[{{ x }}]",
    "{% if z %}a{% elif no %}b{% elif t %}c{% else %}d{% endif %}",
    "{% macro m(a, b='x', c=a) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }}|{{ m(1, 2) }}|{{ m(1, c=3) }}|{{ m(b=2, a=1) }}",
    "{% macro m() %}{{ n }}{{ later }}{% endmacro %}{% set later = 'L' %}{{ m() }}",
    "{% macro f(x) %}{% if x > 0 %}{{ x }}{{ f(x - 1) }}{% endif %}{% endmacro %}{{ f(4) }}",
    "{% macro w() %}<{{ caller() }}>{% endmacro %}{% call w() %}in{{ n }}{% endcall %}",
    "{% macro w(l) %}{% for x in l %}{{ caller(x) }}{% endfor %}{% endmacro %}{% call(x) w([1, 2]) %}[{{ x }}]{% endcall %}",
    "{% filter upper %}a{{ 'b' }}{% endfilter %}",
    "{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a is defined }}",
    "{% raw %}{{ not }} {% this %}{% endraw %}!",
    "a{# comment #}b",
    "a\n{# comment #}\nb",
    "a\n  {% if t %}\n  b\n  {% endif %}\nc\n",
    "a\n  {%- if t -%}\n  b\n  {%- endif -%}\nc\n\n",
    "a  {{- n -}}  b",
    "a\n  {{ n }}\nb",
    "a\n  {%+ if t %}\n  b\n  {% endif +%}\nc",
    "  {% if t %}x{% endif %}  {% if t %}y{% endif %}\n",
    "{% if t %}\n\nx{% endif %}",
    "\n\n{% if t %}x{% endif %}\n\n",
    "a\r\nb\rc{% if t %}\r\nd{% endif %}",
    "{{ 'x' }}\n",
    "{{ 'x' }}\n\n",
    "{% for x in l %}\n  {{ x }}\n{% endfor %}\n",
    "{% for x in l -%}\n  {{ x }}\n{%- endfor %}\n",
    "{{ {'a': {'b': 1}}['a']['b'] }}",
    "{{ '}}' }}{{ '%}' }}",
    "{{ 1, 2 }}",
    "{% set x = [] %}{{ x is defined and not x }}",
    "{% if s is defined and s is not none and s %}ok{% endif %}",
    "{% if 'name' in users[0] and users[0].name is string %}ok{% endif %}",
    "{% if not (t and no) %}ok{% endif %}",
    "{%- for u in users %}{{ '<|' + u.name|lower + '|>' }}{%- endfor %}",
    "{%- if users[0]['name'] == 'Ann' and users|length > 1 and not users[5] is defined %}ok{% endif -%}",
    "{{ users[1:]|map(attribute='name')|list }}",
    "{{ (users|first).name }}",
    "{{ users|tojson }}",
    "{% generation %}g{{ n }}{% endgeneration %}",
    "{% set ns = namespace() %}{% set ns.a = 'x' %}{{ ns.a }}",
    "{% set ns = namespace(l=[]) %}{% for x in l %}{% set ns.l = ns.l + [x * 2] %}{% endfor %}{{ ns.l }}",
    "{{ s.split(', ')[1] }}",
    "{% set x = d.missing or 'alt' %}{{ x }}",
    "{{ strftime_now is defined }}",
    "{% if t %}unclosed",
    "{% endif %}",
    "{{ n",
    "{{ }}",
    "{% nonsense %}",
    "{% for x in n %}{% endfor %}",
    "{% set d.x = 1 %}",
    "{# open",
    "{{ 'open }}",
    "{{ (1 }}",
    "{% raw %}x",
    "{% for a, b in l %}{% endfor %}",
]


def raise_exception(message):
    raise TemplateError(message)


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                      sort_keys=sort_keys)


class Generation(loopcontrols):
    """The block that marks the assistant's text; it only renders its body."""
    tags = {"generation"}

    def parse(self, parser):
        next(parser.stream)
        from jinja2 import nodes
        return nodes.Scope(parser.parse_statements(["name:endgeneration"], drop_needle=True))


def main():
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                                extensions=[loopcontrols, Generation])
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    print(json.dumps({"variables": VARIABLES}))
    for source in ["{{ " + expression + " }}" for expression in EXPRESSIONS] + TEMPLATES:
        case = {"source": source}
        try:
            case["expected"] = environment.from_string(source).render(**VARIABLES)
        except Exception:  # whatever it is: the template can't be rendered
            case["fails"] = True
        print(json.dumps(case))


if __name__ == "__main__":
    sys.exit(main())
