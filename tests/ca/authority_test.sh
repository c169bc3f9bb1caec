#!/usr/bin/env bash
# CAs of tenants, a root that is elsewhere, and roll-overs, from the command line and judged by the
# openssl command line (docs/spec/authority.md).
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"
. "$PH_SOURCE/tests/ca/lib.sh"

# verify PURPOSE BUNDLE FILE: by the bundle that the other side reads, with every CRL.
verify() {
    openssl verify -x509_strict -crl_check_all -purpose "$1" -CAfile "pki/trust/$2.pem" \
        -CRLfile pki/trust/crl.pem "$3"
}

device() { # OUT NAME
    "$CA" issue device --ca pki --tenant acme --kind thermostat --out "$1" -- "$2"
}

broker() { # OUT
    "$CA" issue broker --ca pki --dns localhost --out "$1" main
}

state() { # AUTHORITY: its state
    "$CA" authority list --ca pki --format csv | awk -F, -v name="$1" '$1 == name { print $5 }'
}

# sign CA SUBJECT OUT: a client certificate by the CA's key, around ph-ca.
sign() {
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$3.key" \
        -subj "$2" -out "$3.csr" 2>/dev/null
    openssl x509 -req -in "$3.csr" -CA "pki/$1/ca.crt" -CAkey "pki/$1/ca.key" -days 1 -out "$3" \
        -extfile <(printf '%s\n' basicConstraints=critical,CA:FALSE keyUsage=critical,digitalSignature \
            extendedKeyUsage=clientAuth authorityKeyIdentifier=keyid subjectKeyIdentifier=hash) 2>/dev/null
}

root_cases() { # CA-61, CA-62
    printf 'open sesame\n' >phrase
    printf 'close sesame\n' >wrong
    printf 'new sesame\n' >phrase-2
    chmod 600 phrase wrong phrase-2
    "$CA" init plain >advice
    expect_line "a key in the open: advice" advice '^whoever reads plain/root/ca.key can be anybody'
    "$CA" init --root stick --passphrase-file phrase pki >advice
    same "none for one that is away" 0 "$(grep -c whoever advice)"
    expect_line "but where it is" advice 'keep stick/ca.key offline'
    same "its folder" "ca.crt ca.key" "$(cd stick && echo *)"
    same "what stays" "ca.crt crl.pem" "$(cd pki/root && echo *)"
    same "modes" "700 600" "$(stat -c %a stick stick/ca.key | xargs)"
    same "encrypted" "-----BEGIN ENCRYPTED PRIVATE KEY-----" "$(head -n 1 stick/ca.key)"
    same "and it is the root's" "$(openssl x509 -in pki/root/ca.crt -noout -pubkey)" \
        "$(openssl pkey -in stick/ca.key -passin file:phrase -pubout)"
    refuse "a folder that has a key" 73 "stick/ca.key: exists, and a root's key is never overwritten" \
        "$CA" init --root stick other
    refuse "two passphrases" 64 'not together with --passphrase-file' \
        "$CA" init --passphrase-file phrase --ask-passphrase other
    same "nothing was made" "" "$(find . -maxdepth 1 -name 'other*')"
    "$CA" init --passphrase-file phrase closed >/dev/null
    local number
    number=$(openssl crl -in closed/root/crl.pem -noout -crlnumber)
    expect_ok "a key with a passphrase is left alone" "$CA" crl --ca closed
    same "and the root's CRL is kept" "$number" "$(openssl crl -in closed/root/crl.pem -noout -crlnumber)"
    expect_ok "with it" "$CA" crl --ca closed --passphrase-file phrase
    if [ "$number" != "$(openssl crl -in closed/root/crl.pem -noout -crlnumber)" ]; then
        ok "it is signed"
    else
        fail "the root's CRL is still $number"
    fi
}

# Nothing daily needs the root. CA-62, CA-17
daily_cases() {
    mv stick safe
    expect_ok "issue" device d1 t-1
    expect_ok "issue for a broker" broker b1
    expect_ok "device verifies" verify sslclient clients d1/cert.pem
    expect_ok "broker verifies" verify sslserver brokers b1/cert.pem
    expect_ok "crl" "$CA" crl --ca pki
    device gone t-9 >/dev/null
    expect_ok "revoke" "$CA" revoke --ca pki acme/thermostat/t-9
    expect_refused "it is revoked" 'certificate revoked' verify sslclient clients gone/cert.pem
    refuse "not what the root signs" 66 'the key of root is not here' \
        "$CA" authority add claims --tenant acme --ca pki
    refuse "nor there" 66 'the key of root is not here, nor in empty' \
        "$CA" authority add claims --tenant acme --ca pki --root empty
    refuse "revoke a CA" 66 '1 revocations are on no CRL' "$CA" revoke --ca pki --authority services
    expect_ok "not yet on the CRL" openssl verify -crl_check_all -CAfile pki/root/ca.crt \
        -CRLfile pki/trust/crl.pem pki/services/ca.crt
    mv safe stick
    refuse "crl with a wrong passphrase" 77 'stick/ca.key' \
        "$CA" crl --ca pki --root stick --passphrase-file wrong
    expect_ok "crl with the root" "$CA" crl --ca pki --root stick --passphrase-file phrase
    expect_refused "now it is" 'certificate revoked' openssl verify -crl_check_all \
        -CAfile pki/root/ca.crt -CRLfile pki/trust/crl.pem pki/services/ca.crt
    chmod 644 phrase
    refuse "a passphrase that others may read" 77 'phrase' \
        "$CA" crl --ca pki --root stick --passphrase-file phrase
    chmod 600 phrase
}

tenant_cases() { # CA-63, CA-64
    expect_ok "a CA for acme" "$CA" authority add devices --tenant acme --ca pki --root stick \
        --passphrase-file phrase
    refuse "not twice" 73 'devices of acme: there is one' "$CA" authority add devices --tenant acme \
        --ca pki --root stick --passphrase-file phrase
    refuse "not for brokers" 64 'want devices, services or claims, have "brokers"' \
        "$CA" authority add brokers --tenant acme --ca pki
    refuse "not for a bad name" 65 'tenant' "$CA" authority add devices --tenant 'a/b' --ca pki
    expect_ok "issue" device d2 t-2
    same "its CA issues" "issuer=CN = phonehome devices acme" \
        "$(openssl x509 -in d2/cert.pem -noout -issuer -nameopt oneline,-esc_msb)"
    expect_ok "it verifies" verify sslclient clients d2/cert.pem
    "$CA" issue device --ca pki --tenant other --kind thermostat --out d3 t-3 >/dev/null
    same "not for others" "issuer=CN = phonehome devices" \
        "$(openssl x509 -in d3/cert.pem -noout -issuer -nameopt oneline,-esc_msb)"
    sign devices@acme "/O=acme/OU=thermostat/CN=t-4" own.pem
    sign devices@acme "/O=other/OU=thermostat/CN=t-4" stolen.pem
    expect_ok "whoever has its key can be acme" verify sslclient clients own.pem
    expect_refused "and nobody else" 'permitted subtree violation' verify sslclient clients stolen.pem
    sign devices "/O=other/OU=thermostat/CN=t-4" shared.pem
    expect_ok "unlike that of the CA for all" verify sslclient clients shared.pem
    "$CA" authority list --ca pki --format json >list.json
    same "json" "1 6" "$(sqlite3 :memory: "SELECT json_valid(j) || ' ' || json_array_length(j)
        FROM (SELECT readfile('list.json') AS j)")"
    "$CA" authority list --ca pki >listed
    expect_line "table" listed '^devices@acme +devices +acme +1 +active +root +[0-9a-f]+ +[0-9TZ:.-]+ +1$'
}

subordinate_cases() { # CA-65 to CA-68
    local files='pki/devices-2/ca.key pki/devices-2/ca.crt pki/devices-2/crl.pem'
    refuse "activate comes second" 66 'devices: no roll-over is under way' "$CA" rollover activate devices --ca pki
    expect_ok "begin" "$CA" rollover begin devices --ca pki --root stick --passphrase-file phrase
    # shellcheck disable=SC2086
    expect_ok "its files" ls $files
    same "state" next "$(state devices-2)"
    same "all are trusted" 4 "$(grep -c BEGIN pki/trust/devices.pem)"
    "$CA" issue device --ca pki --tenant other --kind thermostat --out d5 t-5 >/dev/null
    same "the old one issues" "issuer=CN = phonehome devices" \
        "$(openssl x509 -in d5/cert.pem -noout -issuer -nameopt oneline,-esc_msb)"
    refuse "finish comes third" 77 'devices-2: does not issue yet' "$CA" rollover finish devices --ca pki
    expect_ok "activate, without the root" "$CA" rollover activate devices --ca pki
    "$CA" issue device --ca pki --tenant other --kind thermostat --out d6 t-6 >/dev/null
    same "the new one issues" "issuer=CN = phonehome devices 2" \
        "$(openssl x509 -in d6/cert.pem -noout -issuer -nameopt oneline,-esc_msb)"
    expect_ok "the old certificate is good" verify sslclient clients d5/cert.pem
    expect_ok "the new one too" verify sslclient clients d6/cert.pem
    "$CA" revoke --ca pki other/thermostat/t-3 >/dev/null
    expect_refused "the old one signs CRLs" 'certificate revoked' verify sslclient clients d3/cert.pem
    "$CA" rollover status --ca pki >progress
    expect_line "status" progress '^devices +devices-2 +active +2 +1 '
    refuse "finish refuses" 77 'devices: 2 of its certificates are valid and would be locked out' \
        "$CA" rollover finish devices --ca pki
    expect_ok "by force" "$CA" rollover finish devices --ca pki --force --why "the others are lost"
    expect_refused "the old certificate is not good any more" 'unable to get (local )?issuer|unable to get certificate CRL' \
        verify sslclient clients d5/cert.pem
    expect_ok "the new one is" verify sslclient clients d6/cert.pem
    "$CA" rollover status --ca pki --format csv >progress
    same "nothing is under way" 1 "$(wc -l <progress)"
    "$CA" audit --ca pki >acts
    expect_line "who, what and why" acts 'rollover-finish +devices +.*the others are lost'
}

# Answers as the registrar would have heard from the devices.
devices_trust() {
    sqlite3 pki/ca.db "INSERT OR REPLACE INTO device_state (tenant, kind, name, fingerprint, trust, seen_ms)
        SELECT DISTINCT tenant, kind, name, fingerprint,
        (SELECT digest FROM trust_bundle ORDER BY number DESC LIMIT 1), 1 FROM certificate WHERE type = 'device'"
}

step() { # TEXT COMMAND ROLE [OPTION...]
    local text=$1 command=$2 role=$3
    shift 3
    expect_ok "$text" "$CA" rollover "$command" "$role" --ca pki "$@"
}

new_root_cases() { # CA-70 to CA-73
    local role
    refuse "two roots in one folder" 73 'stick/ca.key: exists, and ca.crt beside it says whose it is' \
        "$CA" rollover begin root --ca pki --root stick --passphrase-file phrase --new-root stick
    step "begin" begin root --root stick --passphrase-file phrase \
        --new-root stick-2 --new-passphrase-file phrase-2
    same "its folder" "ca.crt ca.key" "$(cd stick-2 && echo *)"
    same "its own passphrase" "$(openssl x509 -in pki/root-2/ca.crt -noout -pubkey)" \
        "$(openssl pkey -in stick-2/ca.key -passin file:phrase-2 -pubout)"
    same "its name" "subject=CN = phonehome root 2" \
        "$(openssl x509 -in pki/root-2/ca.crt -noout -subject -nameopt oneline,-esc_msb)"
    same "the bundle has a number" "# phonehome trusted CAs, number 1" "$(head -n 1 pki/trust/brokers.pem)"
    same "whose digest is known" "$(sha256sum <pki/trust/brokers.pem | cut -d' ' -f1)" \
        "$(sqlite3 pki/ca.db 'SELECT digest FROM trust_bundle')"
    sqlite3 pki/ca.db 'SELECT statement FROM trust_bundle' >statement.pem
    expect_ok "signed by the old root" openssl cms -verify -inform PEM -in statement.pem \
        -CAfile pki/root/ca.crt -purpose any -out /dev/null
    expect_refused "not by the new one" 'Verification failure|verify error' openssl cms -verify \
        -inform PEM -in statement.pem -CAfile pki/root-2/ca.crt -purpose any -out /dev/null
    refuse "activate refuses" 77 'root-2: [0-9]+ of [0-9]+ devices do not hold the newest trust bundle' \
        "$CA" rollover activate root --ca pki --root stick-2 --passphrase-file phrase-2
    devices_trust
    refuse "the old key is not the new one" 66 'the key of root-2 is not here' \
        "$CA" rollover activate root --ca pki --root stick --passphrase-file phrase
    step "activate" activate root --root stick-2 --passphrase-file phrase-2
    refuse "finish refuses" 77 'root: [0-9]+ of its certificates are valid' \
        "$CA" rollover finish root --ca pki --root stick-2 --passphrase-file phrase-2
    expect_ok "old device" verify sslclient clients d6/cert.pem
    for role in devices brokers services claims; do
        step "activate $role" activate "$role"
        step "finish $role" finish "$role" --force
    done
    step "activate devices of acme" activate devices --tenant acme
    step "finish devices of acme" finish devices --tenant acme --force
    device d7 t-7 >/dev/null
    broker b7 >/dev/null
    devices_trust
    mv stick gone-for-good
    step "finish without the old root" finish root --root stick-2 --passphrase-file phrase-2
    same "state" "retired active" "$(state root) $(state root-2)"
    expect_ok "new device" verify sslclient clients d7/cert.pem
    expect_ok "new broker" verify sslserver brokers b7/cert.pem
    expect_refused "old device" 'unable to get' verify sslclient clients d6/cert.pem
    same "number 2" "# phonehome trusted CAs, number 2" "$(head -n 1 pki/trust/brokers.pem)"
    sqlite3 pki/ca.db 'SELECT statement FROM trust_bundle WHERE number = 2' >statement.pem
    expect_ok "signed by the new root" openssl cms -verify -inform PEM -in statement.pem \
        -CAfile pki/root-2/ca.crt -purpose any -out /dev/null
    expect_ok "crl" "$CA" crl --ca pki --root stick-2 --passphrase-file phrase-2
    same "no CRL of what is retired" 6 "$(grep -c BEGIN pki/trust/crl.pem)"
}

need openssl sqlite3
test_begin "CAs and roll-overs"
cd "$WORK" || exit 1
root_cases
daily_cases
tenant_cases
subordinate_cases
new_root_cases
test_end
