#!/usr/bin/env bash
# Checks of the server: format, lints, its tests, and a real OpenAI client and a real browser
# against it. What a package registry does not have is skipped with a note, which is an error with
# CODEGEEX_CI=1.
set -euo pipefail
cd "$(dirname "$0")"

note() { printf 'note: %s\n' "$*"; [ "${CODEGEEX_CI-}" != 1 ] || exit 1; }

cargo fmt --check
cargo clippy --locked --quiet --all-targets -- -D warnings
cargo test --locked --quiet

target=${CARGO_TARGET_DIR:-target}
scratch=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$scratch"' EXIT

venv=$target/venv
python=$venv/bin/python
if ! command -v python3 >/dev/null; then
  note "no Python here, so no OpenAI client and no browser were run"
  exit 0
fi
if ! cmp -s tests/requirements.txt "$venv/requirements.txt"; then
  rm -rf "$venv"
  if ! { python3 -m venv "$venv" && timeout 300 "$python" -m pip install --quiet -r tests/requirements.txt; }; then
    rm -rf "$venv"
    note "the packages of tests/requirements.txt cannot be installed, so no OpenAI client and no browser were run"
    exit 0
  fi
  cp tests/requirements.txt "$venv/requirements.txt"
fi

cargo build --locked --quiet
"$target/debug/codegeex-server" --port 0 >"$scratch/address" 2>"$scratch/log" &
server=$!
for _ in $(seq 100); do
  [ -s "$scratch/address" ] && break
  kill -0 "$server" || { cat "$scratch/log" >&2; exit 1; }
  sleep 0.1
done
address=$(cat "$scratch/address")
timeout 120 "$python" tests/openai_client.py "$address"

find_chromium() { command -v chromium || command -v chromium-browser || command -v google-chrome; }
if ! find_chromium >/dev/null; then
  timeout 300 sh -c 'apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium' \
    >/dev/null 2>&1 || true
fi
if chromium=$(find_chromium); then
  timeout 300 "$python" tests/playground.py "$address" "$chromium" "$target/screenshots"
else
  note "no Chromium here, so the page was not tried"
fi

# Ctrl-C ends it, and in good order.
kill -INT "$server"
wait "$server"
server=
if [ "$(wc -l <"$scratch/log")" -gt 1 ]; then
  cat "$scratch/log" >&2
  exit 1
fi
