#!/usr/bin/env bash
# ph-ca issue in bulk, for claims and from requests, judged by the openssl command line
# (docs/spec/authority.md).
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"
. "$PH_SOURCE/tests/ca/lib.sh"

batch() { # LIST OUT [OPTION...]
    local list=$1 out=$2
    shift 2
    "$CA" issue device --batch "$list" --out "$out" "$@"
}

sql() {
    sqlite3 -readonly pki/ca.db "$1"
}

verify() { # ROLE FILE
    openssl verify -x509_strict -crl_check_all -purpose sslclient -CAfile pki/root/ca.crt \
        -CRLfile pki/trust/crl.pem -untrusted "pki/trust/$1.pem" "$2"
}

subject() {
    openssl x509 -in "$1" -noout -subject -nameopt oneline,-esc_msb
}

list_cases() { # CA-83, CA-81, CA-8
    printf '# four forms\nt-1\n\nmeter,m-1\r\ninitech,meter,m-1\n' >list
    expect_ok "a list" batch list d --tenant acme --kind thermostat --by anna --why "lot 7"
    same "folders as the lines are" "d/initech/meter/m-1 d/meter/m-1 d/t-1" \
        "$(find d -name cert.pem -printf '%h\n' | sort | xargs)"
    same "subject" "subject=O = initech, OU = meter, CN = m-1" "$(subject d/initech/meter/m-1/cert.pem)"
    expect_ok "verifies" verify devices d/meter/m-1/cert.pem
    same "modes" "700 600 644 644" "$(stat -c %a d/t-1 d/t-1/key.pem d/t-1/cert.pem d/t-1/ca.pem | xargs)"
    same "who and why" 3 "$(sql "SELECT count(*) FROM certificate WHERE approved_by = 'anna' AND why = 'lot 7'")"
    same "a record for each" 3 "$(sql "SELECT count(*) FROM act WHERE act = 'issue' AND who = 'anna' AND why = 'lot 7'")"
    refuse "nothing is overwritten" 73 'd/t-1/key.pem: exists' batch list d --tenant acme --kind thermostat
    printf 'a,k,b-1\nb-2\na,k,b/3\n' >bad
    refuse "a line without a kind" 65 'bad: line 2: no kind' batch bad x
    refuse "a bad name" 65 'bad: line 3: name' batch bad x --tenant a --kind k
    printf 'a,k,b-1\na,k,b-2\nb-1\n' >bad
    refuse "one twice" 65 'bad: a/k/b-1 is there twice' batch bad x --tenant a --kind k
    printf 'a,claim,b-1\n' >bad
    refuse "the kind of claims" 64 'bad: line 1: .*"claim" is the kind of claims' batch bad x
    refuse "names beside a list" 64 'batch: not together with' "$CA" issue device --batch list --out x t-1
    refuse "a list of brokers" 64 'batch: cannot be given to issue broker' \
        "$CA" issue broker --batch list --out x --dns a
    same "nothing was made" "" "$(find . -maxdepth 1 -name x)"
    same "nor recorded" 0 "$(sql "SELECT count(*) FROM certificate WHERE name LIKE 'b-%'")"
}

owner_cases() { # CA-127
    printf 'acme,thermostat,o-1\nacme,thermostat,o-2\nacme,thermostat,o-3\n' >owned
    expect_ok "names that nobody has" batch owned o1 --same-why --why "a test"
    expect_ok "the same for the same reason" batch owned o2 --same-why --why "a test"
    refuse "for another one" 77 'pki: acme/thermostat/o-[123] and 2 more are devices of this authority that were not made for "play"' \
        batch owned o3 --same-why --why play
    refuse "for none" 77 'not made for ""' batch owned o3 --same-why
    expect_ok "without the option, as ever" batch owned o4 --why play
    printf 'acme,thermostat,o-4\nacme,thermostat,o-5\n' >owned
    expect_ok "one is expected" "$CA" expect acme/thermostat/o-4
    refuse "and so is somebody's" 77 'pki: acme/thermostat/o-4 is a device of this authority that was not made for "play"' \
        batch owned o3 --same-why --why play
    refuse "without a list" 64 'same-why: want --batch' \
        "$CA" issue device --tenant acme --kind thermostat --same-why --out o3 o-6
    refuse "for a service" 64 'same-why: cannot be given to issue service' \
        "$CA" issue service --tenant acme --same-why --out o3 s-6
    same "nothing of it was made" "" "$(find . -maxdepth 1 -name o3)"
    same "nor recorded" 0 "$(sql "SELECT count(*) FROM certificate WHERE name IN ('o-5', 'o-6')")"
}

bulk_cases() { # CA-81, CA-85, CA-88, CA-20
    local file bad=0
    seq -f 'acme,bulk,u-%04.0f' 1200 >list
    expect_ok "1,200 under a strict umask" bash -c "umask 077; '$CA' issue device --batch list --out u"
    same "all are there" 1200 "$(find u -name cert.pem | wc -l)"
    same "and nothing else" 0 "$(find u -name '*.part' | wc -l)"
    same "whatever the umask" "700 600 644" "$(stat -c %a u/acme/bulk/u-0001{,/key.pem,/cert.pem} | xargs)"
    for file in $(find u -name cert.pem | shuf -n 20); do
        verify devices "$file" >/dev/null 2>&1 || bad=$((bad + 1))
        [ "$(openssl x509 -in "$file" -noout -pubkey)" = "$(openssl pkey -in "${file%cert.pem}key.pem" -pubout)" ] ||
            bad=$((bad + 1))
    done
    same "twenty of them verify, with their keys" 0 "$bad"
    same "a record for each transaction" "500 500 200" \
        "$(sql "SELECT json_extract(detail, '\$.count') FROM act WHERE act = 'issue' AND what = 'devices' ORDER BY id" | xargs)"
    mkdir -p half/acme/bulk/v-0900 && : >half/acme/bulk/v-0900/ca.pem
    seq -f 'acme,bulk,v-%04.0f' 1000 >list
    refuse "one that is there already" 73 'half/acme/bulk/v-0900/ca.pem: exists' batch list half
    same "others were not begun" "v-0900" "$(ls half/acme/bulk)"
    echo 'acme,bulk,v-last,nowhere.csr' >>list
    refuse "one that fails late" 66 'nowhere.csr' batch list late
    same "leaves no file" "" "$(find . -maxdepth 1 -name late)"
    same "and no row" 0 "$(sql "SELECT count(*) FROM certificate WHERE name LIKE 'v-%'")"
    same "which the log says" 1000 "$(sql "SELECT json_extract(detail, '\$.count') FROM act WHERE act = 'withdraw'")"
}

request() { # FILE [OPTION...]: a request for a new key
    local file=$1
    shift
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$file.key" -out "$file" \
        -subj /O=umbrella/OU=service/CN=ingest "$@" 2>/dev/null
}

change_last_byte() { # FILE
    local last
    last=$(tail -c 1 "$1" | od -An -tu1)
    truncate -s -1 "$1"
    printf '%b' "\\x$(printf %02x $((last ^ 1)))" >>"$1"
}

request_cases() { # CA-84
    mkdir csr
    request csr/1 -addext basicConstraints=critical,CA:TRUE -addext subjectAltName=DNS:evil.example
    echo 'acme,asked,r-1,1' >csr/list
    expect_ok "from a request, beside its list" batch csr/list r
    same "its key" "$(openssl pkey -in csr/1.key -pubout)" "$(openssl x509 -in r/acme/asked/r-1/cert.pem -noout -pubkey)"
    same "no other key" "ca.pem cert.pem" "$(cd r/acme/asked/r-1 && echo *)"
    same "our subject" "subject=O = acme, OU = asked, CN = r-1" "$(subject r/acme/asked/r-1/cert.pem)"
    same "no CA, no other name" 0 "$(openssl x509 -in r/acme/asked/r-1/cert.pem -noout -text | grep -Ec 'CA:TRUE|evil')"
    expect_ok "verifies" verify devices r/acme/asked/r-1/cert.pem
    echo 'acme,asked,r-2,1' >csr/list
    refuse "another device with that key" 77 'acme/asked/r-2: its request is for the key of acme/asked/r-1' \
        bash -c "'$CA' issue device --batch csr/list --out x 2>&1 | grep -v level=warning; exit \${PIPESTATUS[0]}"
    request csr/2
    openssl req -in csr/2 -outform DER >csr/der
    change_last_byte csr/der
    { echo '-----BEGIN CERTIFICATE REQUEST-----' && base64 csr/der && echo '-----END CERTIFICATE REQUEST-----'; } >csr/3
    echo 'acme,asked,r-3,3' >csr/list
    refuse "a broken signature" 77 'csr/3: ' batch csr/list x
    echo 'acme,asked,r-3,list' >csr/list
    refuse "no request" 65 'csr/list: ' batch csr/list x
    same "nothing was made" "" "$(find . -maxdepth 1 -name x)"
    same "nor recorded" 1 "$(sql "SELECT count(*) FROM certificate WHERE kind = 'asked'")"
}

one_request_cases() { # CA-140
    local type
    local -A options=([device]="--tenant acme --kind asked" [service]="--tenant acme" [broker]="--dns b.example"
        [claim]="--tenant acme")
    for type in device service broker claim; do
        request "csr/$type" -addext subjectAltName=DNS:evil.example
        # shellcheck disable=SC2086 # options are words
        expect_ok "a $type by its request" "$CA" issue "$type" ${options[$type]} --csr "csr/$type" --out "q/$type" q-1
        same "its key, and none is written" "$(openssl pkey -in "csr/$type.key" -pubout) ca.pem cert.pem" \
            "$(openssl x509 -in "q/$type/cert.pem" -noout -pubkey) $(cd "q/$type" && echo *)"
    done
    same "the subjects are ours" "O = acme, OU = asked, CN = q-1 O = acme, OU = claim, CN = q-1 O = acme, OU = service, CN = q-1 OU = broker, CN = q-1" \
        "$(for type in device service broker claim; do subject "q/$type/cert.pem"; done | sed 's/subject=//' | sort | xargs)"
    same "and so is the broker's name" "DNS:b.example" \
        "$(openssl x509 -in q/broker/cert.pem -noout -ext subjectAltName | sed -n 's/^ *DNS/DNS/p')"
    refuse "two names for one key" 64 'csr: want one NAME, have 2' \
        "$CA" issue service --tenant acme --csr csr/service --out x a b
    refuse "a list as well" 64 'batch: not together with --csr' "$CA" issue device --batch list --csr csr/device --out x
    refuse "another's key" 77 'acme/service/q-2: its request is for the key of' bash -c \
        "'$CA' issue service --tenant acme --csr csr/device --out x q-2 2>&1 | grep -v level=warning; exit \${PIPESTATUS[0]}"
    refuse "no such request" 66 'csr/none' "$CA" issue service --tenant acme --csr csr/none --out x q-3
    same "nothing was made" "" "$(find . -maxdepth 1 -name x)"
}

claim_cases() { # CA-82
    expect_ok "a claim for one device" "$CA" issue claim --tenant acme --out c1 box-1
    same "subject" "subject=O = acme, OU = claim, CN = box-1" "$(subject c1/cert.pem)"
    expect_ok "verifies" verify claims c1/cert.pem
    expect_refused "is no device" 'unable to get local issuer' openssl verify -CAfile pki/root/ca.crt \
        -untrusted pki/trust/services.pem c1/cert.pem
    expect_ok "a claim for a lot" "$CA" issue claim --tenant acme --kind thermostat --max 500 --days 30 --out c2 lot-7
    same "both are known" "box-1||1 lot-7|thermostat|500" \
        "$(sql "SELECT name, kind, max_uses FROM claim ORDER BY name" | xargs)"
    same "until its certificate ends" 2 "$(sql "SELECT count(*) FROM claim JOIN certificate USING (tenant, name)
        WHERE type = 'claim' AND expires_ms = not_after_ms")"
    same "ten years, or as long as the CA" "$(openssl x509 -in pki/claims/ca.crt -noout -enddate)" \
        "$(openssl x509 -in c1/cert.pem -noout -enddate)"
    refuse "the same name again" 73 'box-1' "$CA" issue claim --tenant acme --out c3 box-1
    same "leaves nothing" "" "$(find . -maxdepth 1 -name c3)"
    refuse "no device" 64 'max: cannot be given to issue device' \
        "$CA" issue device --tenant a --kind k --max 2 --out x t
    refuse "none" 64 'max: want' "$CA" issue claim --tenant a --max 0 --out x t
    refuse "for services" 64 '"service" is the kind of services' "$CA" issue claim --tenant a --kind service --out x t
}

kill_cases() { # CA-22, CA-85
    local pid folder unknown=0 broken=0 serial
    seq -f 'acme,killed,k-%05.0f' 20000 >list
    "$CA" issue device --batch list --out k >/dev/null 2>&1 &
    pid=$!
    wait_for 20 test -e k/acme/killed/k-00100/cert.pem
    kill -s KILL "$pid"
    { wait "$pid"; } 2>/dev/null
    same "a killed issue has not finished" 1 "$([ "$(find k -name cert.pem | wc -l)" -lt 20000 ] && echo 1)"
    for folder in $(find k -name cert.pem -printf '%h\n' | shuf -n 30); do
        serial=$(openssl x509 -in "$folder/cert.pem" -noout -serial | sed 's/serial=0*//')
        [ "$(sql "SELECT count(*) FROM certificate WHERE serial = '${serial,,}'")" = 1 ] || unknown=$((unknown + 1))
        [ "$(openssl x509 -in "$folder/cert.pem" -noout -pubkey)" = "$(openssl pkey -in "$folder/key.pem" -pubout)" ] ||
            broken=$((broken + 1))
    done
    same "what has a certificate is recorded and whole" "0 0" "$unknown $broken"
    refuse "the same again says what is there" 73 'k/acme/killed/k-00001/key.pem: exists' batch list k
    rm -r k
    head -n 50 list >short
    expect_ok "and is issued anew once that is away" batch short k
}

need openssl sqlite3
test_begin "ph-ca issue --batch"
cd "$WORK" || exit 1
"$CA" init pki >/dev/null || exit 1
list_cases
owner_cases
bulk_cases
request_cases
claim_cases
one_request_cases
kill_cases
test_end
