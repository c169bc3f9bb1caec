#!/usr/bin/env bash
# The commands of ph-ca about what was issued and who may have a certificate (docs/spec/authority.md).
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"
. "$PH_SOURCE/tests/ca/lib.sh"

HASH=$(printf 'ab%.0s' $(seq 32))

# quietly COMMAND...: what it prints before it fails is not looked at.
quietly() {
    "$@" >/dev/null
}

device() { # NAME [OPTION...]
    local name=$1
    shift
    "$CA" issue device --tenant acme --kind thermostat --out "$name" "$@" -- "$name"
}

# foreign CN [EXTENSION...]: CN.pem, a device's certificate that signs itself.
foreign() {
    local name=$1 option=()
    shift
    for extension in "${@:-extendedKeyUsage=clientAuth}"; do option+=(-addext "$extension"); done
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$name.key" -days 90 \
        -subj "/O=acme/OU=thermostat/CN=$name" -out "$name.pem" -addext basicConstraints=critical,CA:FALSE \
        -addext keyUsage=critical,digitalSignature "${option[@]}" 2>/dev/null
}

holders() { # LIST-OPTION...: of what is listed, in one line
    "$CA" list --format csv "$@" | tail -n +2 | cut -d, -f4 | xargs
}

field() { # COLUMN HOLDER: of the newest certificate
    "$CA" list --format json "$2" >field.json
    sqlite3 :memory: "SELECT value ->> '$1' FROM json_each(CAST(readfile('field.json') AS TEXT))
        ORDER BY key DESC LIMIT 1"
}

acts() { # the last act: who, act, what, why
    "$CA" audit --format json >acts.json
    sqlite3 -separator ' ' :memory: "SELECT value ->> 'who', value ->> 'act', value ->> 'what', value ->> 'why'
        FROM json_each(CAST(readfile('acts.json') AS TEXT)) ORDER BY key DESC LIMIT 1"
}

# valid_json TEXT COMMAND...
valid_json() {
    local text=$1
    shift
    "$@" >valid.json
    same "$text" 1 "$(sqlite3 :memory: "SELECT json_valid(CAST(readfile('valid.json') AS TEXT))")"
    same "$text: ASCII" 0 "$(LC_ALL=C grep -c '[^ -~]' valid.json)"
}

# request ID KIND NAME HARDWARE: one that waits, as the registrar records it.
request() {
    sqlite3 pki/ca.db "INSERT INTO enrolment(id, tenant, claim, key_hash, kind, name, hardware, state, serial,
        received_ms, decided_ms, who, why) SELECT $1, 'acme', 'batch', lower(printf('%064x', $1)), '$2', '$3', $4,
        'waiting', '', 1790000000000, 0, '', ''"
}

set_up() {
    "$CA" init pki >/dev/null || die "init"
    device t-1 --by ann --why "first of all" >/dev/null || die "issue"
    device t-2 --days 20 >/dev/null || die "issue"
    device t-3 >/dev/null || die "issue"
    "$CA" issue broker --dns localhost --out main main >/dev/null || die "issue broker"
    "$CA" issue service --tenant acme --out ingest ingest >/dev/null || die "issue service"
    "$CA" issue claim --tenant acme --kind thermostat --max 5 --out batch batch >/dev/null || die "issue claim"
    "$CA" issue claim --tenant acme --days 10 --out small small >/dev/null || die "issue claim"
    device old --not-before 2020-01-01 --not-after 2020-02-01 >/dev/null || die "issue"
    device later --not-before "$(date -u -d '+300 days' +%F)" --days 5 >/dev/null || die "issue"
}

list_cases() { # CA-100, CA-101, CA-102
    same "type" "acme/claim/batch acme/claim/small" "$(holders --type claim)"
    same "kind and tenant" "acme/service/ingest" "$(holders --kind service --tenant acme)"
    same "another tenant" "" "$(holders --tenant other)"
    same "state" "acme/thermostat/old" "$(holders --state expired)"
    same "states" "acme/thermostat/old acme/thermostat/later" "$(holders --state expired,not-yet-valid)"
    same "issuer" "main" "$(holders --issuer brokers)"
    same "pattern" "acme/thermostat/t-1 acme/thermostat/t-2 acme/thermostat/t-3" "$(holders 'acme/thermostat/t-*')"
    same "expiring" "acme/thermostat/t-2 acme/claim/small" "$(holders --expiring-within 30)"
    same "filters add up" "acme/thermostat/t-2" "$(holders --expiring-within 30 --type device)"
    same "head of the CSV" \
        "serial,issuer,type,holder,status,not_before,not_after,revoked,reason,fingerprint,origin,predecessor,approved_by,why,key_hash" \
        "$("$CA" list --format csv | head -n 1)"
    same "who approved" "ann" "$(field approved_by acme/thermostat/t-1)"
    same "and why" "first of all" "$(field why acme/thermostat/t-1)"
    valid_json "list as JSON" "$CA" list --format json
    refuse "type" 64 'type: want authority, device, broker, service or claim, have "tree"' "$CA" list --type tree
    refuse "state" 64 'state: want valid, expired, .*have "valid,dead"' "$CA" list --state valid,dead
    refuse "issuer" 66 'devices-9' "$CA" list --issuer devices-9
    refuse "tenant" 65 'tenant: ' "$CA" list --tenant a/b
    refuse "claim" 65 'claim "batch": want TENANT/NAME' "$CA" list --claim batch
    refuse "claim of another tenant" 64 'claim: not of the tenant' "$CA" list --tenant other --claim acme/batch
    refuse "days" 64 'expiring-within: want a whole number from 1' "$CA" list --expiring-within 0
    refuse "days and state" 64 'expiring-within: not together with --state' "$CA" list --expiring-within 1 --state held
    refuse "format" 64 'format: want table, csv or json, have "xml"' "$CA" list --format xml
}

show_cases() { # CA-103
    "$CA" show t-1/cert.pem >shown
    expect_line "who approved" shown '^approved by  ann$'
    expect_line "why" shown '^why +first of all$'
    expect_line "lineage" shown '^lineage +[0-9a-f]{24,}$'
    expect_line "origin" shown '^origin +issued$'
    expect_line "key" shown '^key +[0-9a-f]{64}$'
}

revoke_cases() { # CA-110, CA-111, CA-112
    local key
    expect_ok "hold" "$CA" revoke --reason certificateHold --by bob --why "in repair" acme/thermostat/t-1
    same "its state" "acme/thermostat/t-1" "$(holders --state held)"
    same "in the log" "bob revoke acme/thermostat/t-1 in repair" "$(acts)"
    same "on the CRL" 1 "$(openssl crl -in pki/devices/crl.pem -noout -text | grep -c 'Certificate Hold')"
    expect_ok "unrevoke" "$CA" unrevoke --why "came back" acme/thermostat/t-1
    same "in the log, by login name" "$(id -un) unrevoke acme/thermostat/t-1 came back" "$(acts)"
    same "off the CRL" 0 "$(openssl crl -in pki/devices/crl.pem -noout -text | grep -c 'Certificate Hold')"
    refuse "what is not held" 77 't-1: not on hold: only a certificateHold can be taken back' \
        "$CA" unrevoke acme/thermostat/t-1
    expect_ok "hold again, by serial number" "$CA" revoke --reason certificateHold --serial "$(field serial acme/thermostat/t-1)"
    expect_ok "a hold becomes for good" "$CA" revoke --reason keyCompromise acme/thermostat/t-1
    refuse "which stays" 77 'not on hold' "$CA" unrevoke --serial "$(field serial acme/thermostat/t-1)"
    refuse "unknown" 66 'nobody: no such certificate' "$CA" unrevoke acme/thermostat/nobody
    refuse "neither" 64 'want exactly one of TENANT/KIND/DEVICE and --serial' "$CA" unrevoke
    key=$(field key_hash acme/thermostat/t-2)
    same "hash of a key as openssl says it" "$key" \
        "$(openssl pkey -in t-2/key.pem -pubout -outform DER | sha256sum | cut -d' ' -f1)"
    expect_ok "by key" "$CA" revoke --reason superseded --key "${key^^}"
    same "superseded" "acme/thermostat/t-2" "$(holders --state superseded)"
    refuse "unknown key" 66 'no such certificate' "$CA" revoke --key "$HASH"
    refuse "bad key" 64 'key: want a SHA-256 in 64 hexadecimal digits, have "abc"' "$CA" revoke --key abc
    expect_ok "by claim" "$CA" revoke --claim acme/small
    same "the claim" revoked "$(field status acme/claim/small)"
    refuse "unknown claim" 66 'acme/none: no such certificate' "$CA" revoke --claim acme/none
    refuse "enrolled alone" 64 'enrolled: goes with --claim' "$CA" revoke --enrolled acme/thermostat/t-3
    sqlite3 pki/ca.db "UPDATE certificate SET claim = 'batch', origin = 'enrolled' WHERE name = 't-3'"
    same "list by claim" "acme/thermostat/t-3" "$(holders --claim acme/batch)"
    expect_ok "a claim and its devices" "$CA" revoke --claim acme/batch --enrolled
    same "revoked" "revoked revoked" "$(field status acme/claim/batch) $(field status acme/thermostat/t-3)"
    expect_ok "all of a CA" "$CA" revoke --issued-by services
    same "but not the CA" "revoked valid" "$(field status acme/service/ingest) $(field status services)"
    refuse "of a root" 64 'issued-by: want devices.*cannot revoke itself' "$CA" revoke --issued-by root
    refuse "unknown CA" 66 'authority forests' "$CA" revoke --issued-by forests
    refuse "two ways" 64 'want exactly one of' "$CA" revoke --key "$key" --claim acme/batch
    refuse "who is nobody" 64 'by: want one line of 1 to 64 bytes' "$CA" revoke --by '' acme/thermostat/t-1
    refuse "why in two lines" 64 'why: want one line.*a\\x0ab' "$CA" revoke --why $'a\nb' acme/thermostat/t-1
}

import_cases() { # CA-113, CA-114, CA-115, CA-116
    local line serial
    foreign f-1
    foreign f-2
    cat f-1.pem f-2.pem pki/devices/ca.crt >many.pem
    expect_ok "import" "$CA" import --why "from before" many.pem
    same "as devices" "acme/thermostat/f-1 acme/thermostat/f-2" "$(holders --issuer foreign)"
    same "origin" imported "$(field origin acme/thermostat/f-1)"
    same "in the log" "$(id -un) import acme/thermostat/f-2 from before" "$(acts)"
    same "again" "0 imported, 0 of them made elsewhere; 2 known before, 1 CA certificates passed over" \
        "$("$CA" import many.pem)"
    serial=$(field serial acme/thermostat/f-1)
    line="deny serial $serial CN=f-1,OU=thermostat,O=acme"
    refuse "revoke by serial number" 77 "1 made elsewhere, which no CRL.*: $line\$" "$CA" revoke --serial "$serial"
    refuse "by identity" 77 "put them on the plugin's deny-list: $line\$" "$CA" revoke acme/thermostat/f-1
    refuse "by key" 77 "$line\$" "$CA" revoke --key "$(field key_hash acme/thermostat/f-1)"
    same "nothing was marked" valid "$(field status acme/thermostat/f-1)"
    "$CA" show "$serial" >shown
    expect_line "show says the line too" shown "^to deny it +$line\$"
    "$CA" issue device --tenant acme --kind thermostat --out both f-1 >/dev/null
    refuse "one here, one elsewhere" 77 "1 made elsewhere" quietly "$CA" revoke acme/thermostat/f-1
    same "ours is revoked" revoked "$(field status acme/thermostat/f-1)"

    cp -r pki copy
    device lost >/dev/null
    rm -r pki && mv copy pki
    same "a copy of the inventory forgets" "" "$(holders acme/thermostat/lost)"
    expect_ok "import of one of our own" "$CA" import lost/cert.pem
    same "its CA" devices "$(field issuer acme/thermostat/lost)"
    expect_ok "can be revoked" "$CA" revoke acme/thermostat/lost
    same "on the CRL" 1 "$(openssl crl -in pki/devices/crl.pem -noout -text |
        grep -ic "Serial Number: 0*$(field serial acme/thermostat/lost)")"

    openssl req -new -key f-1.key -subj '/O=acme/OU=thermostat/CN=f-3' -out f-3.csr
    openssl x509 -req -in f-3.csr -signkey f-1.key -days 9 -out f-3.pem -extfile <(printf '%s\n' \
        keyUsage=digitalSignature extendedKeyUsage=clientAuth) 2>/dev/null
    refuse "another's key" 77 'f-3.pem: certificate 1: key of acme/thermostat/f-3: acme/thermostat/f-1 has it' \
        "$CA" import f-3.pem
    foreign f-4 extendedKeyUsage=serverAuth
    refuse "usage" 77 'f-4.pem: certificate 1: .*extendedKeyUsage' "$CA" import f-4.pem
    expect_ok "as a broker" "$CA" import --as broker f-4.pem
    same "its name" broker "$(field type f-4)"
    openssl req -x509 -key f-2.key -days 9 -subj '/O=acme/CN=f-5' -out f-5.pem -set_serial 77 \
        -addext basicConstraints=critical,CA:FALSE -addext keyUsage=digitalSignature -addext extendedKeyUsage=clientAuth
    refuse "identity" 77 'f-5.pem: certificate 1: .*OU' "$CA" import f-5.pem
    foreign f-6
    cat f-6.pem f-5.pem >half.pem
    refuse "one bad of two" 77 'half.pem: certificate 2: ' "$CA" import half.pem
    same "takes none" "" "$(holders acme/thermostat/f-6)"
    sqlite3 pki/ca.db "UPDATE certificate SET fingerprint = '$HASH' WHERE serial = '$serial'"
    refuse "serial number" 73 "serial number $serial: the inventory has it for acme/thermostat/f-1" "$CA" import f-1.pem
    # Our CA's name and key identifier, and another key's signature.
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout fake.key -days 9 \
        -subj "/CN=phonehome devices" -out fake.pem -addext "subjectKeyIdentifier=$(openssl x509 -in \
        pki/devices/ca.crt -noout -ext subjectKeyIdentifier | tail -n 1 | tr -d ' ')" 2>/dev/null
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout f-7.key -out f-7.csr \
        -subj '/O=acme/OU=thermostat/CN=f-7' 2>/dev/null
    openssl x509 -req -in f-7.csr -CA fake.pem -CAkey fake.key -days 9 -out f-7.pem -extfile <(printf '%s\n' \
        basicConstraints=critical,CA:FALSE keyUsage=digitalSignature extendedKeyUsage=clientAuth \
        subjectKeyIdentifier=hash authorityKeyIdentifier=keyid:always) 2>/dev/null
    refuse "a forged one" 77 'f-7.pem: certificate 1: ' "$CA" import f-7.pem
    echo garbage >garbage.pem
    refuse "garbage" 65 'garbage.pem: no PEM certificate in it' "$CA" import garbage.pem
    refuse "nowhere" 66 'nowhere.pem' "$CA" import nowhere.pem
    refuse "no file" 64 'missing argument: want FILE' "$CA" import
    refuse "type" 64 'as: want client or broker, have "tree"' "$CA" import --as tree f-1.pem
}

expect_cases() { # CA-117, CA-118, CA-119
    expect_ok "expect" "$CA" expect --by ann --why "order 7" --serial SN-1 --key "$HASH" acme/thermostat/n-1
    same "in the log" "ann expect acme/thermostat/n-1 order 7" "$(acts)"
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout n-2.key -out n-2.csr \
        -subj '/CN=whatever' 2>/dev/null
    expect_ok "by its request" "$CA" expect --csr n-2.csr acme/thermostat/n-2
    "$CA" expected --format csv >expected.txt
    expect_line "hardware and key" expected.txt "^acme/thermostat/n-1,expected,SN-1,$HASH,ann,order 7,2"
    expect_line "key of the request" expected.txt "^acme/thermostat/n-2,expected,,$(openssl pkey -in n-2.key -pubout \
        -outform DER | sha256sum | cut -d' ' -f1),"
    printf 'device,serial,key\r\nacme/thermostat/n-3,"A ""1"", b",\r\n\r\nacme/thermostat/n-4\n' >list.csv
    same "from a file" "2 devices expected" "$("$CA" expect --file list.csv)"
    "$CA" expected --format json >expected.json
    same "quotes taken off" 'A "1", b' "$(sqlite3 :memory: "SELECT value ->> 'hardware' FROM
        json_each(CAST(readfile('expected.json') AS TEXT)) WHERE value ->> 'device' = 'acme/thermostat/n-3'")"
    printf 'acme/thermostat/n-5\nacme/thermostat/n-6,,zz\n' >bad.csv
    refuse "a bad line" 65 'bad.csv:2: key: want a SHA-256' "$CA" expect --file bad.csv
    same "takes none" 0 "$("$CA" expected | grep -c n-5)"
    printf 'acme/thermostat/n-5,a,,d\n' >bad.csv
    refuse "a column too many" 65 'bad.csv:1: want at most 3 columns' "$CA" expect --file bad.csv
    printf 'acme/thermostat/n-5,"a\n' >bad.csv
    refuse "a quote without end" 65 'bad.csv:1: a quote that does not end' "$CA" expect --file bad.csv
    printf 'a\0b\n' >bad.csv
    refuse "a NUL" 65 'bad.csv: a NUL byte' "$CA" expect --file bad.csv
    : >bad.csv
    refuse "nothing" 65 'bad.csv: no device in it' "$CA" expect --file bad.csv
    refuse "both" 64 'want TENANT/KIND/DEVICE or --file CSV, not both' "$CA" expect --file list.csv acme/thermostat/n-5
    refuse "neither" 64 'have neither' "$CA" expect
    refuse "a file and a mark" 64 'file: not together with' "$CA" expect --file list.csv --serial x
    refuse "two keys" 64 'csr: not together with --key' "$CA" expect --key "$HASH" --csr n-2.csr acme/thermostat/n-5
    refuse "no request" 65 'garbage.pem: ' "$CA" expect --csr garbage.pem acme/thermostat/n-5
    refuse "a service" 65 'acme/service/x: kind "service" is no device' "$CA" expect acme/service/x
    refuse "a claim" 65 'kind "claim" is no device' "$CA" expect acme/claim/x
    refuse "no identity" 65 'acme' "$CA" expect 'acme/+/x'
    refuse "control bytes" 65 'serial number of a device: want one line.*\\x1b' "$CA" expect --serial $'\e[2J' acme/thermostat/n-5
    refuse "hardware of another" 73 'n-5: hardware.*is the mark of acme/thermostat/n-1' "$CA" expect --serial SN-1 acme/thermostat/n-5
    refuse "state" 64 'state: want expected, enrolled or forbidden, have "x"' "$CA" expected --state x
    same "by state" 5 "$("$CA" expected --state expected | wc -l)"
    same "by tenant" 1 "$("$CA" expected --tenant other | wc -l)"
    "$CA" claims --format csv >claims.txt
    expect_line "claims" claims.txt '^acme/batch,revoked,0,5,thermostat,2'
    valid_json "claims as JSON" "$CA" claims --format json
}

request_cases() { # CA-120, CA-121
    "$CA" issue claim --tenant acme --kind thermostat --max 9 --out batch2 batch2 >/dev/null
    sqlite3 pki/ca.db "UPDATE claim SET revoked_ms = 0 WHERE name = 'batch'"
    request 1 thermostat q-1 "'SN'"
    request 2 thermostat q-2 "'=1+1'"
    request 3 service q-3 "''"
    request 4 thermostat t-9 "''"
    request 5 boiler q-5 "''"
    request 6 thermostat q-1 "''"
    request 7 '' '' "''"
    device t-9 >/dev/null
    same "who waits" 8 "$("$CA" requests | wc -l)"
    expect_ok "approve" "$CA" approve --by ann --why "seen it" 1
    same "in the log" "ann approve acme/thermostat/q-1 seen it" "$(acts)"
    "$CA" requests --all --format csv >requests.txt
    expect_line "approved" requests.txt '^1,approved,.*,acme/batch,thermostat,q-1,SN,.*,ann,seen it$'
    refuse "twice" 73 'request 1: is approved already' "$CA" approve 1
    refuse "a name that was given away" 73 'acme/thermostat/q-1: request 1 was approved for it' "$CA" approve 6
    expect_ok "as another" "$CA" approve --as acme/thermostat/q-6 6
    refuse "a reserved kind" 65 'request 3: cannot have what it asks for: approve it --as.*"service" is no device' \
        "$CA" approve 3
    refuse "no name" 65 'request 7: cannot have what it asks for' "$CA" approve 7
    refuse "another's name" 73 'acme/thermostat/t-9: has a certificate already' "$CA" approve 4
    refuse "another tenant" 77 'the claim of request 4 is of tenant acme' "$CA" approve --as other/thermostat/x 4
    refuse "another kind" 77 'request 5: claim acme/batch is for devices of kind thermostat, not boiler' "$CA" approve 5
    "$CA" expect --key "${HASH//?/d}" acme/thermostat/q-8 >/dev/null
    request 8 thermostat q-8 "''"
    refuse "expected with another key" 77 'q-8: is expected with another key than request 8' "$CA" approve 8
    refuse "without a reason" 64 'why: is needed' "$CA" refuse 4
    expect_ok "refuse" "$CA" refuse --why "not ours" 4
    same "in the log" "$(id -un) refuse request 4 not ours" "$(acts)"
    expect_ok "refuse what was approved" "$CA" refuse --why "wrong one" 6
    refuse "twice" 73 'request 4: is refused already' "$CA" refuse --why x 4
    sqlite3 pki/ca.db "UPDATE enrolment SET state = 'issued' WHERE id = 1"
    refuse "too late" 73 'request 1: is issued already: use ph-ca revoke' "$CA" refuse --why x 1
    refuse "unknown" 66 '99' "$CA" approve 99
    refuse "no number" 64 '"x": want the ID of a request' "$CA" approve x
}

hostile_cases() { # CA-104, CA-105, CA-106
    # A formula, quotes, a comma, and a letter that takes two bytes; what is worse does not get into the inventory.
    request 20 thermostat h-1 "'=cmd|''x'',\"' || char(233)"
    "$CA" requests --all --format csv >hostile.csv
    expect_line "csv: quoted, and no formula" hostile.csv ",\"'=cmd\\|'x',\"\"é\","
    same "csv: one line each" "$(sqlite3 pki/ca.db 'SELECT count(*) + 1 FROM enrolment')" "$(wc -l <hostile.csv)"
    valid_json "json" "$CA" requests --all --format json
    same "json: exact" "$(sqlite3 pki/ca.db 'SELECT hex(hardware) FROM enrolment WHERE id = 20')" \
        "$(sqlite3 :memory: "SELECT hex(value ->> 'hardware') FROM
            json_each(CAST(readfile('valid.json') AS TEXT)) WHERE value ->> 'id' = 20")"
    sqlite3 pki/ca.db "UPDATE enrolment SET hardware = char(27) || '[2J' WHERE id = 20"
    refuse "an escape sequence in the file itself" 65 'ca.db' quietly "$CA" requests --all
    sqlite3 pki/ca.db "DELETE FROM enrolment WHERE id = 20"
}

decommission_cases() { # CA-122
    device gone >/dev/null
    request 30 thermostat gone "''"
    "$CA" decommission --by ann --why scrapped acme/thermostat/gone >gone.txt
    expect_line "what was done" gone.txt 'gone: 1 certificates revoked, 0 were before, 1 requests refused; it never enrols again'
    expect_line "what remains" gone.txt 'readings +ph-ingest query --device acme/thermostat/gone'
    expect_line "status" gone.txt 'mosquitto_pub -r -n -t ph/v1/acme/thermostat/gone/status'
    same "in the log" "ann decommission acme/thermostat/gone scrapped" "$(acts)"
    same "the reason" cessationOfOperation "$(field reason acme/thermostat/gone)"
    same "on the CRL" 1 "$(openssl crl -in pki/devices/crl.pem -noout -text | grep -c 'Cessation Of Operation')"
    refuse "never expected again" 77 'acme/thermostat/gone: .*' "$CA" expect acme/thermostat/gone
    request 31 thermostat gone "''"
    refuse "nor approved" 77 'acme/thermostat/gone: decommissioned: it never enrols again' "$CA" approve 31
    "$CA" decommission acme/thermostat/f-2 >foreign.txt
    expect_line "made elsewhere" foreign.txt '^ +deny identity acme/thermostat/f-2$'
    refuse "unknown" 66 'acme/thermostat/nobody: no such device' "$CA" decommission acme/thermostat/nobody
    same "and not forbidden" 0 "$("$CA" expected | grep -c nobody)"
    refuse "a service" 65 'kind "service" is no device' "$CA" decommission acme/service/ingest
}

audit_cases() { # CA-123, CA-124
    local head count
    count=$("$CA" audit | tail -n +2 | wc -l)
    same "verify" "$count acts, each as it was recorded" "$("$CA" audit verify | sed 's/;.*//')"
    head=$("$CA" audit verify | sed 's/.*head //')
    same "since" 0 "$("$CA" audit --since 2100-01-01 | tail -n +2 | wc -l)"
    same "since before" "$count" "$("$CA" audit --since 2020-01-01 | tail -n +2 | wc -l)"
    refuse "bad time" 65 'since: .*yesterday' "$CA" audit --since yesterday
    valid_json "as JSON" "$CA" audit --format json
    device after >/dev/null
    expect_ok "an earlier head" "$CA" audit verify --head "$head"
    refuse "bad head" 64 'head: want a SHA-256' "$CA" audit verify --head abc
    cp pki/ca.db whole.db
    sqlite3 pki/ca.db "DELETE FROM act WHERE id = (SELECT max(id) FROM act)"
    expect_ok "a log that was cut is a chain" "$CA" audit verify --head "$head"
    sqlite3 pki/ca.db "DELETE FROM act WHERE id = (SELECT max(id) FROM act)"
    refuse "unless its head is known" 77 "no record has the hash $head: records that were there are gone" \
        "$CA" audit verify --head "$head"
    cp whole.db pki/ca.db && rm -f pki/ca.db-*
    sqlite3 pki/ca.db "UPDATE act SET who = 'eve' WHERE id = 3"
    refuse "a changed record" 77 '3' "$CA" audit verify
    cp whole.db pki/ca.db && rm -f pki/ca.db-*
    sqlite3 pki/ca.db "DELETE FROM act WHERE id = 3"
    refuse "a record that is gone" 77 '3|4' "$CA" audit verify
    cp whole.db pki/ca.db && rm -f pki/ca.db-*
    expect_ok "and back" "$CA" audit verify
}

export_cases() { # CA-107
    valid_json "export as JSON" "$CA" export --format json
    same "all of it" "$(sqlite3 pki/ca.db 'SELECT count(*) FROM certificate')" \
        "$(sqlite3 :memory: "SELECT json_array_length(CAST(readfile('valid.json') AS TEXT))")"
    sqlite3 :memory: "SELECT value ->> 'pem' FROM json_each(CAST(readfile('valid.json') AS TEXT))
        WHERE value ->> 'holder' = 'acme/thermostat/t-1'" >back.pem
    same "the certificate" "$(openssl x509 -in t-1/cert.pem -outform DER | sha256sum)" \
        "$(openssl x509 -in back.pem -outform DER | sha256sum)"
    "$CA" export >export.csv
    sqlite3 :memory: '.mode csv' '.import export.csv t' "SELECT pem FROM t WHERE holder = 'acme/thermostat/t-1'" |
        tr -d '"' >back.pem
    same "from CSV" "$(openssl x509 -in t-1/cert.pem -outform DER | sha256sum)" \
        "$(openssl x509 -in back.pem -outform DER | sha256sum)"
    refuse "format" 64 'format: want csv or json, have "table"' "$CA" export --format table
}

report_cases() { # CA-125, CA-126
    "$CA" init --root-days 300 --authority-days 200 --crl-days 1 young >/dev/null
    "$CA" issue device --ca young --tenant acme --kind thermostat --out y-1 --days 30 y-1 >/dev/null
    "$CA" issue device --ca young --tenant acme --kind thermostat --out y-2 --not-before "$(date -u -d '-20 days' +%F)" \
        --not-after "$(date -u -d '+3 days' +%F)" y-2 >/dev/null
    "$CA" issue device --ca young --tenant acme --kind thermostat --out y-3 --not-before "$(date -u -d '-20 days' +%F)" \
        --not-after "$(date -u -d '+3 days' +%F)" y-3 >/dev/null
    "$CA" issue device --ca young --tenant acme --kind thermostat --out y-3b y-3 >/dev/null
    "$CA" issue claim --ca young --tenant acme --days 9 --max 4 --out y-c y-c >/dev/null
    "$CA" revoke --ca young --reason certificateHold --serial "$("$CA" list --ca young --format csv acme/thermostat/y-1 |
        tail -n 1 | cut -d, -f1)" >/dev/null
    "$CA" report --ca young >report.txt
    expect_line "counts" report.txt '^device +3 +0 +0 +0 +0 +1$'
    expect_line "CAs" report.txt '^devices +active +20[0-9-]{8} +3  20[0-9-]{8}$'
    expect_line "bars by week" report.txt '^EXPIRING, BY WEEK$'
    expect_line "a bar" report.txt "^$(date -u +%F) +2 #{50}\$"
    expect_line "a CA that ends" report.txt '^authority +devices: ends 20[0-9-]{8}: roll it over'
    expect_line "not renewed" report.txt '^renewal +device acme/thermostat/y-2: not renewed, ends'
    same "what was renewed is not" 0 "$(grep -c 'renewal.*y-3' report.txt)"
    expect_line "a claim that expires" report.txt '^claim +acme/y-c: expires .* with 4 of 4 devices not enrolled'
    expect_line "held" report.txt '^hold +1 certificates are on hold'
    same "CRLs are fresh" 0 "$(grep -c '^crl' report.txt)"
    cp young/devices/crl.pem crl.pem
    echo garbage >young/devices/crl.pem
    "$CA" report --ca young >report.txt
    expect_line "a broken CRL" report.txt '^crl +devices: its CRL cannot be read: .*; run ph-ca crl'
    cp crl.pem young/devices/crl.pem
    "$CA" report --ca young --due 99 >report.txt
    same "due later" 0 "$(grep -c '^renewal' report.txt)"
    "$CA" report --step month >report.txt
    expect_line "requests" report.txt '^request +[0-9]+ devices? waits? for approval'
    expect_line "bars by month" report.txt "^$(date -u +%Y-%m) +[0-9]+ "
    valid_json "as JSON" "$CA" report --format json
    same "its counts" "$(sqlite3 pki/ca.db "SELECT count(*) FROM certificate WHERE type = 'broker'")" \
        "$(sqlite3 :memory: "SELECT sum(value) FROM json_each(CAST(readfile('valid.json') AS TEXT), '$.certificates.broker')")"
    refuse "step" 64 'step: want week or month, have "day"' "$CA" report --step day
    refuse "due" 64 'due: want a whole number from 1 to 99' "$CA" report --due 100
    refuse "format" 64 'format: want table or json, have "csv"' "$CA" report --format csv
}

need openssl sqlite3
test_begin "ph-ca: what was issued, and who may have a certificate"
cd "$WORK" || exit 1
set_up
list_cases
show_cases
revoke_cases
import_cases
expect_cases
request_cases
hostile_cases
decommission_cases
audit_cases
export_cases
report_cases
test_end
