#!/usr/bin/env bash
# Bad flags, files, keys, values, permissions, ports and certificates: every program answers with one line that names the
# thing, and with the exit status of docs/spec/exit-codes.md [EXIT-1] [EXIT-2] [EXIT-3] [EXIT-4].
# shellcheck source-path=SCRIPTDIR/../lib
. "${PH_SOURCE:?}/tests/lib/harness.sh"
. "$PH_SOURCE/tests/lib/broker.sh"
: "${PH_BIN:?}"

# Runs the command: wants this exit status, and as the last line of stderr "PROGRAM: ...TEXT...", with nothing before it but
# log lines.
refuse() { # STATUS TEXT COMMAND...
  local want=$1 text=$2 status line name
  shift 2
  name="${*/#$PH_BIN\//}"
  timeout 20 "$@" >out 2>err </dev/null
  status=$?
  line=$(tail -n 1 err)
  if ((status != want)); then
    fail "$name: status $status, want $want; it said: $line"
  elif [[ $line != "$(basename "$1"): "*"$text"* ]]; then
    fail "$name: want a line with \"$text\"; it said: $line"
  elif head -n -1 err | grep -qv ' level=[a-z]* msg='; then
    fail "$name: want one line; it said: $(<err)"
  elif grep -q $'[\001-\010\013-\037\177]' err; then
    fail "$name: a control byte in the output"
  else
    ok "$line"
  fi
}
accept() { # COMMAND...
  if timeout 20 "$@" >out 2>err </dev/null && [[ -s out && ! -s err ]]; then ok "${*/#$PH_BIN\//}"; else
    fail "${*/#$PH_BIN\//}: $(head -n 3 err)"
  fi
}
absent() { # TEXT PATH
  if [[ -e $2 ]]; then fail "$1"; else ok "not so: $1"; fi
}

ca=$PH_BIN/ph-ca ingest=$PH_BIN/ph-ingest thermostat=$PH_BIN/ph-thermostat policy=$PH_BIN/ph-policy
setup() {
  "$ca" init pki &&
    "$ca" issue device --ca pki --tenant acme --kind thermostat --out good t-0001 &&
    "$ca" issue device --ca pki --tenant acme --kind thermostat --out other t-0002 &&
    "$ca" issue service --ca pki --tenant acme --out ingest ingest &&
    cp "$PH_SOURCE/config/kinds.yaml" "$PH_SOURCE/config/policy.yaml" .
} >setup.log 2>&1 || die "$(<setup.log)"

write_ingest() { # extra lines appended
  cat >"$1" <<EOF
broker: { host: localhost, port: 1, ca: ingest/ca.pem, certificate: ingest/cert.pem, key: ingest/key.pem }
store: readings.db
kinds: kinds.yaml
EOF
}

every_program() {
  local program
  for program in "$ca" "$ingest" "$thermostat" "$policy"; do
    accept "$program" --help
    accept "$program" --version
    refuse 64 "want a command" "$program"
    refuse 64 "frobnicate: no such command" "$program" frobnicate
    refuse 64 'x\x0ay: no such command' "$program" $'x\ny'
  done
  refuse 64 "--bogus: no such option" "$ca" init --bogus
  refuse 64 "--bogus: no such option" "$ingest" run --bogus
  refuse 64 "--bogus: no such option" "$thermostat" run --bogus
  refuse 64 "--ca: needs a value" "$ca" list --ca
  refuse 64 "--ca: given twice" "$ca" list --ca a --ca b
  refuse 64 "--log-level: want error" "$ca" list --log-level loud
  refuse 64 "unexpected argument" "$ingest" latest surplus
}

authority() {
  refuse 73 "pki" "$ca" init pki
  refuse 66 "nowhere" "$ca" list --ca nowhere
  refuse 66 "t-9999" "$ca" revoke --ca pki acme/thermostat/t-9999
  local name
  for name in "a/b" "+" "#" "" "$(printf 'x%.0s' {1..65})" $'a\nb' "-lead"; do
    refuse 65 "" "$ca" issue device --ca pki --tenant acme --kind thermostat --out bad -- "$name"
  done
  absent "a refused name left a certificate" bad/cert.pem
  absent "a refused name left a key" bad/key.pem
}

configuration() {
  refuse 66 "absent.yaml" "$ingest" run --config absent.yaml
  printf 'broker: [\n' >broken.yaml
  refuse 78 "broken.yaml" "$ingest" run --config broken.yaml --check-config
  write_ingest unknown.yaml
  echo 'colour: blue' >>unknown.yaml
  refuse 78 'unknown.yaml:4: unknown key "colour"' "$ingest" run --config unknown.yaml --check-config
  write_ingest range.yaml
  printf 'batch:\n  messages: -1\n' >>range.yaml
  refuse 78 "range.yaml" "$ingest" run --config range.yaml --check-config
  write_ingest good.yaml
  accept "$ingest" run --config good.yaml --print-config
  cp out printed.yaml
  accept "$ingest" run --config printed.yaml --print-config
  expect_ok "the printed configuration reads back the same" cmp out printed.yaml
  refuse 78 "broken.yaml:1: unknown key" "$policy" check broken.yaml
  refuse 66 "absent.yaml" "$policy" check absent.yaml
}

# Every program says the same of a configuration that is good. [REG-35]
checked() {
  printf 'broker: { host: localhost, port: 1, ca: ingest/ca.pem, certificate: ingest/cert.pem, key: ingest/key.pem }\nca: pki\n' \
    >registrar.yaml
  printf 'broker: { host: localhost, port: 1, ca: good/ca.pem, certificate: good/cert.pem, key: good/key.pem }\n' \
    >thermostat.yaml
  local program
  for program in "$ingest run --config good.yaml" "$ca serve --config registrar.yaml" \
    "$thermostat run --config thermostat.yaml"; do
    # shellcheck disable=SC2086 # words
    accept $program --check-config
    if grep -qx "[a-z]*\.yaml: ok" out; then ok "it says so"; else fail "want FILE: ok, have: $(<out)"; fi
  done
}

# The registrar's authority, or a key of it, is gone: nothing is made anew, and the way out is named. [REG-34]
lost_authority() {
  refuse 66 "pki/none: no certificate authority here: restore its backup" "$ca" list --ca pki/none
  mkdir away && mv pki/devices/ca.key away/
  refuse 66 "pki/devices/ca.key: is missing, and devices issues nothing without it: restore it from the backup" \
    "$ca" serve --config registrar.yaml
  absent "a key was made in the place of the one that is missing" pki/devices/ca.key
  cp pki/services/ca.key pki/devices/ca.key
  refuse 77 "pki/devices/ca.key" "$ca" serve --config registrar.yaml
  mv away/ca.key pki/devices/ca.key
  mv pki away/
  refuse 66 "pki: no certificate authority here: restore its backup" "$ca" serve --config registrar.yaml
  absent "an authority was made in the place of the one that is missing" pki
  mv away/pki pki
}

certificates() {
  refuse 66 "cert.pem" "$thermostat" run --certs nowhere --broker localhost:1 --spool s.db
  cp -r good mixed && cp other/key.pem mixed/key.pem
  refuse 77 "key.pem" "$thermostat" run --certs mixed --broker localhost:1 --spool s.db
  cp -r good open && chmod 0644 open/key.pem
  refuse 77 "chmod 600" "$thermostat" run --certs open --broker localhost:1 --spool s.db
  cp -r good junk && echo junk >junk/cert.pem
  refuse 65 "cert.pem" "$thermostat" run --certs junk --broker localhost:1 --spool s.db
  "$ca" issue device --ca pki --tenant acme --kind thermostat --not-before 2020-01-01 --not-after 2020-02-01 \
    --out expired t-0003 >/dev/null 2>&1
  refuse 77 "expired" "$thermostat" run --certs expired --broker localhost:1 --spool s.db
  refuse 64 "--broker" "$thermostat" run --certs good --broker localhost:99999 --spool s.db
  refuse 64 "--interval-ms" "$thermostat" run --certs good --broker localhost:1 --spool s.db --interval-ms never
}

databases() {
  refuse 66 "absent.db" "$ingest" latest --store absent.db
  head -c 8192 /dev/urandom >junk.db
  refuse 65 "junk.db" "$ingest" latest --store junk.db
  sqlite3 foreign.db 'CREATE TABLE t(x)'
  refuse 65 "foreign.db" "$ingest" latest --store foreign.db
  refuse 65 "junk.db" "$thermostat" run --certs good --broker localhost:1 --spool junk.db
  # A spool belongs to one process.
  spawn first "$WORK/first.log" "$thermostat" run --certs good --broker localhost:1 --spool mine.db
  wait_line 5 "$WORK/first.log" msg=started || fail "the thermostat did not start"
  refuse 75 "mine.db" "$thermostat" run --certs good --broker localhost:1 --spool mine.db
  stop first
}

# Writing where there is no room left, on a file system of 256 KiB.
full_disk() {
  mkdir full
  if ! mount -t tmpfs -o size=256k tmpfs full 2>/dev/null; then
    echo "# full disk: left out, no permission to mount"
    return
  fi
  head -c 1M /dev/zero >full/ballast 2>/dev/null
  refuse 74 "full" "$ca" init full/pki
  absent "a failed init left its folder behind" full/pki
  refuse 74 "full" "$ca" issue device --ca pki --tenant acme --kind thermostat --out full/device t-0009
  absent "a failed issue left a certificate behind" full/device/cert.pem
  umount full
}

demo() {
  refuse 64 "--devices: want a whole number from 1 to 10000" "$PH_SOURCE/demo" --devices 0
  refuse 64 "--devices: want a whole number" "$PH_SOURCE/demo" --devices 1e9
  refuse 64 "--for: needs a value" "$PH_SOURCE/demo" --for
  refuse 64 "--bogus: no such option" "$PH_SOURCE/demo" --bogus
  local port
  port=$(free_port)
  spawn holder "$WORK/holder.log" "$MOSQUITTO" -p "$port"
  wait_for 5 port_is_open "$port" || fail "nothing holds the port"
  refuse 69 "is in use" "$PH_SOURCE/demo" --devices 1 --for 1 --port "$port" --state demo-state
  stop holder
}

test_begin "bad input"
cd "$WORK" || exit 1
setup
every_program
authority
configuration
checked
lost_authority
certificates
databases
full_disk
demo
test_end
