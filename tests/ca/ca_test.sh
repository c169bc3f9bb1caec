#!/usr/bin/env bash
# ph-ca from its command line, judged by the openssl command line (docs/spec/authority.md).
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"
. "$PH_SOURCE/tests/ca/lib.sh"

device() { # OUT NAME [OPTION...]
    local out=$1 name=$2
    shift 2
    "$CA" issue device --ca pki --tenant acme --kind thermostat --out "$out" "$@" -- "$name"
}

# verify PURPOSE ROOTS FILE: the whole chain with every CRL, as strictly as openssl can.
verify() {
    openssl verify -x509_strict -crl_check_all -purpose "$1" -CAfile root.pem -CRLfile pki/trust/crl.pem \
        -untrusted "pki/trust/$2.pem" "$3"
}

extension() { # FILE NAME: the extension's text on one line
    openssl x509 -in "$1" -noout -ext "$2" 2>/dev/null | tr -s ' \n' ' '
}

crl_number() { # AUTHORITY
    openssl crl -in "pki/$1/crl.pem" -noout -crlnumber | sed 's/.*=//; s/^0x//'
}

# grew TEXT BEFORE AFTER: hexadecimal numbers of any length.
grew() {
    if [ "$(printf '%s\n%s\n' "${2,,}" "${3,,}" | awk '{ printf "%40s\n", $1 }' | sort | tail -n 1 |
        tr -d ' ')" = "${3,,}" ] && [ "${2,,}" != "${3,,}" ]; then
        ok "$1"
    else
        fail "$1: $2 then $3"
    fi
}

rows() { # REGEX: how many rows of the inventory match
    "$CA" list --ca pki --format csv | grep -Ec -- "$1"
}

init_cases() { # CA-1, CA-2, CA-3
    expect_ok "init" "$CA" init pki
    cp pki/root/ca.crt root.pem
    local before after file
    before=$(find pki -type f -exec sha256sum {} + | sort)
    refuse "a second init refuses" 73 'pki: exists and is not empty: nothing was changed' "$CA" init pki/
    after=$(find pki -type f -exec sha256sum {} + | sort)
    same "and touches nothing" "$before" "$after"
    ln -s not-mounted dangling
    refuse "init in the place of a link that leads nowhere" 73 \
        'dangling: is a symbolic link that leads nowhere: nothing was changed; mount what it leads to' "$CA" init dangling
    mkdir led-to && ln -s led-to link
    refuse "init in the place of a link" 73 \
        'link: is a symbolic link: nothing was changed; name the folder that it leads to' "$CA" init link/
    same "the links are what they were" "not-mounted led-to" "$(readlink dangling) $(readlink link)"
    : >file
    refuse "init over a file" 73 'file: exists' "$CA" init file
    refuse "init in a folder that is not there" 66 'nowhere/pki' "$CA" init nowhere/pki
    refuse "init with a bad name" 65 'name' "$CA" init --name 'a/b' other
    refuse "subordinate CAs beyond the root" 64 'authority-days: want at most' \
        "$CA" init --root-days 10 --authority-days 11 other
    mkdir empty
    expect_ok "init in an empty folder" "$CA" init empty
    same "nothing is left beside" "" "$(find . -maxdepth 1 -name '*.part-*')"
    for file in root devices brokers services claims; do
        same "mode of $file" 700 "$(stat -c %a "pki/$file")"
        same "mode of $file/ca.key" 600 "$(stat -c %a "pki/$file/ca.key")"
    done
    same "mode of ca.db" 600 "$(stat -c %a pki/ca.db)"
    same "mode of trust" 755 "$(stat -c %a pki/trust)"
    same "mode of trust/crl.pem" 644 "$(stat -c %a pki/trust/crl.pem)"
    (umask 077 && "$CA" init tight >/dev/null && "$CA" init --crl-days 1 --root-crl-days 2 short >/dev/null)
    same "whatever the umask" "755 644" "$(stat -c %a tight/trust tight/trust/crl.pem | xargs)"
    local end
    end=$(date -d "$(openssl crl -in short/root/crl.pem -noout -nextupdate | cut -d= -f2)" +%s)
    same "--root-crl-days" 2 "$(((end - $(date +%s) + 43200) / 86400))"
}

hierarchy_cases() { # CA-4, CA-5
    local name
    for name in devices services claims; do
        same "$name: EKU" " X509v3 Extended Key Usage: TLS Web Client Authentication " \
            " $(extension "pki/$name/ca.crt" extendedKeyUsage)"
    done
    same "brokers: EKU" " X509v3 Extended Key Usage: TLS Web Server Authentication " \
        " $(extension pki/brokers/ca.crt extendedKeyUsage)"
    same "devices: a CA for leaves only" " X509v3 Basic Constraints: critical CA:TRUE, pathlen:0 " \
        " $(extension pki/devices/ca.crt basicConstraints)"
    same "devices: key usage" " X509v3 Key Usage: critical Certificate Sign, CRL Sign " \
        " $(extension pki/devices/ca.crt keyUsage)"
    for name in devices brokers services claims; do
        expect_ok "$name verifies" openssl verify -x509_strict -CAfile root.pem "pki/$name/ca.crt"
    done
    same "trust/clients.pem" 4 "$(grep -c BEGIN pki/trust/clients.pem)"
    same "trust/devices.pem" 2 "$(grep -c BEGIN pki/trust/devices.pem)"
    same "trust/crl.pem" 5 "$(grep -c BEGIN pki/trust/crl.pem)"
}

issue_cases() { # CA-6, CA-7, CA-8, CA-9
    expect_ok "issue device" device d1 t-0001
    expect_ok "issue service" "$CA" issue service --ca pki --tenant acme --out s1 ingest
    expect_ok "issue broker" "$CA" issue broker --ca=pki --dns localhost,broker.example \
        --ip 127.0.0.1,::1 --out b1 main
    expect_ok "device verifies" verify sslclient devices d1/cert.pem
    expect_ok "service verifies" verify sslclient services s1/cert.pem
    expect_ok "broker verifies" verify sslserver brokers b1/cert.pem
    expect_refused "a device is no broker" 'unsuitable certificate purpose' verify sslserver devices d1/cert.pem
    expect_ok "the broker's name" openssl verify -verify_hostname broker.example -partial_chain \
        -trusted pki/trust/brokers.pem b1/cert.pem
    expect_ok "the broker's address" openssl verify -verify_ip ::1 -partial_chain \
        -trusted pki/trust/brokers.pem b1/cert.pem
    same "subject" "subject=O = acme, OU = thermostat, CN = t-0001" \
        "$(openssl x509 -in d1/cert.pem -noout -subject -nameopt oneline,-esc_msb)"
    same "service's subject" "subject=O = acme, OU = service, CN = ingest" \
        "$(openssl x509 -in s1/cert.pem -noout -subject -nameopt oneline,-esc_msb)"
    same "files" "ca.pem cert.pem key.pem" "$(cd d1 && echo *)"
    same "modes" "700 600 644" "$(stat -c %a d1 d1/key.pem d1/cert.pem | xargs)"
    same "leaf and subordinate CA" 2 "$(grep -c BEGIN d1/cert.pem)"
    expect_ok "what a device trusts" cmp d1/ca.pem pki/trust/brokers.pem
    expect_ok "what a broker trusts" cmp b1/ca.pem pki/trust/clients.pem
    same "key belongs" "$(openssl x509 -in d1/cert.pem -noout -pubkey)" "$(openssl pkey -in d1/key.pem -pubout)"
    same "P-256" 1 "$(openssl pkey -in d1/key.pem -noout -text | grep -c 'NIST CURVE: P-256')"
    refuse "nothing is overwritten" 73 'd1/key.pem: exists' device d1 t-0001
    expect_ok "renewal" device d1b t-0001
    same "both are listed" 2 "$(rows 'device,acme/thermostat/t-0001,valid')"
    expect_ok "several names" "$CA" issue device --ca pki --tenant acme --kind thermostat --out many m-1 m-2 m-3
    same "a folder each" "many/m-1 many/m-2 many/m-3" "$(echo many/*)"
    seq -f 'f-%03g' 300 >names
    expect_ok "names from a file" "$CA" issue device --ca pki --tenant acme --kind thermostat --out many --names names
    same "all of them" 300 "$(find many -path '*/f-*/cert.pem' | wc -l)"
    same "serial numbers differ" "" "$("$CA" list --ca pki --format csv | cut -d, -f1 | sort | uniq -d)"
}

lifetime_cases() { # CA-10, CA-11
    local start end now
    now=$(date +%s)
    start=$(date -d "$(openssl x509 -in d1/cert.pem -noout -startdate | cut -d= -f2)" +%s)
    end=$(date -d "$(openssl x509 -in d1/cert.pem -noout -enddate | cut -d= -f2)" +%s)
    if [ $((now - start)) -ge 300 ] && [ $((now - start)) -lt 420 ]; then
        ok "backdated by five minutes"
    else
        fail "backdated by $((now - start)) s"
    fi
    same "a device's year" 365 "$(((end - now + 43200) / 86400))"
    refuse "beyond the CA" 64 'beyond the CA "CN=phonehome devices"' device x t-1 --days 4000
    refuse "end before start" 64 'not-after: want a time after' device x t-1 --not-before 2026-02-01 --not-after 2026-01-01
    refuse "two ends" 64 'not together with --days' device x t-1 --days 1 --not-after 2027-01-01
    refuse "bad time" 65 'not-before: .*yesterday' device x t-1 --not-before yesterday
    expect_ok "an expired one, for tests" device expired t-0002 --not-before 2020-01-01 --not-after 2020-02-01
    same "is listed as such" 1 "$(rows 'acme/thermostat/t-0002,expired')"
    expect_ok "one for next year" device later t-0003 --not-before "$(date -u -d '+300 days' +%F)" --days 5
    same "is listed as such" 1 "$(rows 'acme/thermostat/t-0003,not-yet-valid')"
    expect_ok "a CA that ends soon" "$CA" init --root-days 30 --authority-days 20 brief
    expect_ok "cuts a default" "$CA" issue device --ca brief --tenant acme --kind thermostat --out brief-d t-1
    same "to its own end" "$(openssl x509 -in brief/devices/ca.crt -noout -enddate)" \
        "$(openssl x509 -in brief-d/cert.pem -noout -enddate)"
    refuse "not what was asked for" 64 'beyond the CA' "$CA" issue device --ca brief --tenant acme \
        --kind thermostat --days 21 --out x t-1
}

name_cases() { # CA-12
    local name long
    long=$(printf 'a%.0s' $(seq 65))
    for name in a/b + '#' '' . .. -x 'a b' $'a\nb' 'ä' "$long"; do
        refuse "name $(printf '%q' "${name:0:10}")" 65 'name: ' device bad "$name"
    done
    refuse "tenant" 65 'tenant: ' "$CA" issue device --ca pki --tenant 'a+' --kind k --out bad t-1
    refuse "kind" 65 'kind: ' "$CA" issue device --ca pki --tenant a --kind 'k/x' --out bad t-1
    refuse "kind of services" 64 'kind: "service" is the kind of services' \
        "$CA" issue device --ca pki --tenant a --kind service --out bad t-1
    refuse "one bad name of three" 65 'name: ' "$CA" issue device --ca pki --tenant acme --kind k --out bad b-1 b+2 b-3
    for name in 'a b' '*.example' 'a..b' '-a' 'a-' 'a/b' "$long.example" '.'; do
        refuse "host $name" 64 'dns: want host names' "$CA" issue broker --ca pki --dns "$name" --out bad b
    done
    refuse "address" 64 'ip: want IPv4 or IPv6' "$CA" issue broker --ca pki --ip 127.0.0.256 --out bad b
    refuse "broker without a name to reach it" 64 'dns or --ip: is needed' "$CA" issue broker --ca pki --out bad b
    refuse "device without tenant" 64 'tenant: is needed to issue device' "$CA" issue device --ca pki --kind k --out bad t
    refuse "device with --dns" 64 'dns: cannot be given to issue device' device bad t --dns a
    refuse "something else" 64 'want device, broker, service or claim' "$CA" issue tree --ca pki --out bad t
    refuse "no name" 64 'want NAME arguments or --names' "$CA" issue device --ca pki --tenant a --kind k --out bad
    printf 'a\0b\n' >nul
    refuse "names with a NUL" 65 'NUL byte' "$CA" issue device --ca pki --tenant a --kind k --out bad --names nul
    same "nothing was made" "" "$(find . -maxdepth 1 -name bad)"
    same "nor recorded" 0 "$(rows 'b-1')"
}

revoke_cases() { # CA-13, CA-14, CA-15, CA-16
    local number serial
    number=$(crl_number devices)
    expect_ok "revoke a device" "$CA" revoke --ca pki --reason keyCompromise acme/thermostat/t-0001
    grew "CRLNumber grows" "$number" "$(crl_number devices)"
    expect_refused "it fails" 'certificate revoked' verify sslclient devices d1/cert.pem
    expect_refused "and so does its renewal" 'certificate revoked' verify sslclient devices d1b/cert.pem
    expect_ok "others pass" verify sslclient devices many/m-1/cert.pem
    same "reason" 2 "$(openssl crl -in pki/devices/crl.pem -noout -text | grep -c 'Key Compromise')"
    expect_ok "once more changes nothing" "$CA" revoke --ca pki acme/thermostat/t-0001
    same "the reason stays" 2 "$(rows 't-0001,revoked,.*,keyCompromise,')"
    serial=$("$CA" list --ca pki --format csv | awk -F, '$4 == "main" { print $1 }')
    expect_ok "revoke by serial number" "$CA" revoke --ca pki --serial "00${serial^^}"
    expect_refused "it fails" 'certificate revoked' verify sslserver brokers b1/cert.pem
    expect_ok "revoke an expired one" "$CA" revoke --ca pki acme/thermostat/t-0002
    serial=$("$CA" list --ca pki --format csv | awk -F, '$4 ~ /t-0002$/ { print toupper($1) }')
    same "long expired: not on the CRL" 0 "$(openssl crl -in pki/devices/crl.pem -noout -text | grep -c "$serial")"
    refuse "unknown device" 66 'acme/thermostat/t-9999: no such certificate' "$CA" revoke --ca pki acme/thermostat/t-9999
    refuse "bad identity" 65 'acme' "$CA" revoke --ca pki acme/+
    refuse "unknown serial" 66 'abc: no such certificate' "$CA" revoke --ca pki --serial abc
    refuse "bad serial" 64 'xyz' "$CA" revoke --ca pki --serial xyz
    refuse "bad reason" 64 'reason: want unspecified' "$CA" revoke --ca pki --reason boredom acme/thermostat/m-1
    refuse "the root" 64 'authority: want devices' "$CA" revoke --ca pki --authority root
    serial=$("$CA" list --ca pki --format csv | awk -F, '$4 == "root" { print $1 }')
    refuse "the root by serial" 64 'cannot revoke itself' "$CA" revoke --ca pki --serial "$serial"
    refuse "two ways" 64 'want exactly one of' "$CA" revoke --ca pki --serial abc acme/thermostat/m-1
    refuse "no way" 64 'want exactly one of' "$CA" revoke --ca pki
}

crl_cases() { # CA-15, CA-17
    local number root_number
    number=$(crl_number devices)
    root_number=$(crl_number root)
    mv pki/root/ca.key .
    expect_ok "crl without the root's key" "$CA" crl --ca pki --days 3
    grew "signs the others" "$number" "$(crl_number devices)"
    same "and keeps the root's" "$root_number" "$(crl_number root)"
    refuse "but does not revoke a CA in silence" 66 '1 revocations are on no CRL.*put its ca.key in place' \
        "$CA" revoke --ca pki --authority brokers
    refuse "which issues no more all the same" 77 'pki: brokers: revoked: it issues no more' \
        "$CA" issue broker --ca pki --dns localhost --out x main
    mv ca.key pki/root/
    expect_ok "crl" "$CA" crl --ca pki
    expect_refused "which it then is" 'certificate revoked' openssl verify -crl_check_all -CAfile root.pem \
        -CRLfile pki/trust/crl.pem pki/brokers/ca.crt
    local end
    end=$(date -d "$(openssl crl -in pki/devices/crl.pem -noout -nextupdate | cut -d= -f2)" +%s)
    same "--days is remembered" 3 "$(((end - $(date +%s) + 43200) / 86400))"
    same "AKI" 1 "$(openssl crl -in pki/devices/crl.pem -noout -text | grep -c 'Authority Key Identifier')"
    expect_ok "the combined file is current" cmp <(cat pki/{root,devices,brokers,services,claims}/crl.pem) pki/trust/crl.pem
}

show_cases() { # CA-18
    expect_ok "list" "$CA" list --ca pki
    "$CA" list --ca pki --format json >list.json
    same "json" "1 $(rows ,)" "$(sqlite3 :memory: "SELECT json_valid(j) || ' ' || (json_array_length(j) + 1)
        FROM (SELECT readfile('list.json') AS j)")"
    refuse "bad format" 64 'format: want table, csv or json' "$CA" list --ca pki --format xml
    "$CA" show --ca pki d1/cert.pem >shown
    expect_line "show a file" shown '^status +revoked'
    "$CA" show --ca pki "$(sed -n 's/^serial *//p' shown)" >shown2
    expect_line "show a serial number" shown2 '^holder +device acme/thermostat/t-0001'
    "$CA" show --ca pki brief-d/cert.pem >shown3
    expect_line "somebody else's" shown3 '^status +not in the inventory'
    refuse "neither" 64 'want a serial number in hexadecimal, or a file' "$CA" show --ca pki zebra
    refuse "unknown" 66 'abc: not in the inventory' "$CA" show --ca pki abc
    refuse "no certificate" 65 'no PEM certificate' "$CA" show --ca pki d1/key.pem
}

concurrent_cases() { # CA-19
    local i pids=() failed=0
    for i in 1 2 3 4 5 6; do
        device "c$i" "c-$i" >/dev/null &
        pids+=($!)
    done
    "$CA" revoke --ca pki acme/thermostat/m-3 >/dev/null &
    pids+=($!)
    "$CA" crl --ca pki >/dev/null &
    pids+=($!)
    for i in "${pids[@]}"; do wait "$i" || failed=1; done
    same "eight at once" 0 "$failed"
    same "all are recorded" 6 "$(rows 'acme/thermostat/c-[1-6],valid')"
    expect_ok "and good" verify sslclient devices c6/cert.pem
    expect_refused "the revocation is on the CRL" 'certificate revoked' verify sslclient devices many/m-3/cert.pem
    pids=()
    for i in 1 2 3 4; do
        device together "x-$i" >/dev/null 2>&1 &
        pids+=($!)
    done
    failed=0
    for i in "${pids[@]}"; do wait "$i" || failed=$((failed + 1)); done
    same "one of four wins a folder" 3 "$failed"
    same "with its own key" "$(openssl x509 -in together/cert.pem -noout -pubkey)" \
        "$(openssl pkey -in together/key.pem -pubout)"
    same "the others are forgotten" 1 "$(rows 'acme/thermostat/x-')"
}

trouble_cases() { # CA-20, CA-21
    refuse "no authority" 66 'nowhere: no certificate authority here: restore its backup, .*ph-ca init' "$CA" list --ca nowhere
    refuse "default folder" 66 'pki: no certificate authority here' env -C d1 "$CA" list
    chmod 640 pki/devices/ca.key
    refuse "open key" 77 'devices/ca.key.*closed to group and others' device x t-1
    chmod 600 pki/devices/ca.key
    cp pki/devices/ca.key saved
    cat pki/brokers/ca.key >pki/devices/ca.key
    refuse "key of another CA" 77 'devices/ca.key: not the key of certificate' device x t-1
    echo garbage >pki/devices/ca.key
    refuse "no key" 65 'devices/ca.key: no PEM private key' device x t-1
    openssl pkey -in saved -aes128 -passout pass:secret 2>/dev/null >pki/devices/ca.key
    refuse "encrypted key" 65 'want an unencrypted block' device x t-1
    cat saved >pki/devices/ca.key
    local answer
    coproc LOCK { sqlite3 pki/ca.db; }
    printf 'BEGIN IMMEDIATE; SELECT 1;\n' >&"${LOCK[1]}"
    read -r -t 5 answer <&"${LOCK[0]}" || fail "sqlite3 says nothing: $answer"
    refuse "locked inventory" 75 'ca.db' device x t-1
    eval "exec ${LOCK[1]}>&-"
    wait "$LOCK_PID" 2>/dev/null
    same "nothing was made" "" "$(find . -maxdepth 1 -name x)"
    cp pki/ca.db db
    rm -f pki/ca.db-*
    echo "this is not a database, and long enough to be read as one" >pki/ca.db
    refuse "broken inventory" 65 'ca.db' "$CA" list --ca pki
    mv db pki/ca.db
    expect_ok "back" "$CA" list --ca pki
    if [ "$(id -u)" != 0 ]; then
        mkdir closed && chmod 500 closed
        refuse "read-only folder" 77 'closed' device closed/d t-1
        refuse "init in a read-only folder" 77 'closed' "$CA" init closed/pki
        same "not recorded" 0 "$(rows 'acme/thermostat/t-1,')"
    fi
    full_disk_cases
}

full_disk_cases() { # CA-21
    mkdir full
    mount -t tmpfs -o size=64k,nr_inodes=40 ph-test full 2>/dev/null || return 0
    trap 'umount full 2>/dev/null; cleanup' EXIT
    head -c 60000 /dev/zero >full/fill 2>/dev/null
    refuse "init on a full disk" 74 'full' "$CA" init full/pki
    same "leaves nothing" "fill" "$(cd full && echo *)"
    : >full/fill
    seq -f 'g-%g' 300 >many-names
    refuse "a disk that fills up" 74 'full' "$CA" issue device --ca pki --tenant acme --kind thermostat \
        --out full --names many-names
    same "leaves nothing" "fill" "$(cd full && echo *)"
    same "and no record" 0 "$(rows 'acme/thermostat/g-')"
    umount full
}

# kill_when PATTERN COMMAND...: kills the command without warning as soon as a file is there whose
# name matches, unless it has ended before.
kill_when() {
    local pattern=$1 pid
    shift
    "$@" >/dev/null 2>&1 &
    pid=$!
    wait_for 10 path_or_end "$pattern" "$pid"
    kill -s KILL "$pid" 2>/dev/null
    { wait "$pid"; } 2>/dev/null
}

path_or_end() {
    compgen -G "$1" >/dev/null || ! kill -0 "$2" 2>/dev/null
}

kill_cases() { # CA-22
    local file serial unknown=0 broken=0
    kill_when 'killed.part-*/ca.db' "$CA" init killed
    if [ -e killed ]; then
        expect_ok "a killed init has made everything" "$CA" list --ca killed
    else
        expect_ok "a killed init leaves room for the next" "$CA" init killed
    fi
    seq -f 'k-%04.0f' 5000 >kill-names
    kill_when 'dead/k-*/cert.pem' "$CA" issue device --ca pki --tenant acme --kind thermostat \
        --out dead --names kill-names
    same "a killed issue has not finished" 1 "$([ "$(find dead -name cert.pem | wc -l)" -lt 5000 ] && echo 1)"
    for file in $(find dead -name cert.pem | shuf -n 50); do
        serial=$(openssl x509 -in "$file" -noout -serial | sed 's/serial=0*//')
        [ "$(rows "^${serial,,},devices,device,acme/thermostat/k-")" = 1 ] || unknown=$((unknown + 1))
        [ "$(openssl x509 -in "$file" -noout -pubkey)" = \
            "$(openssl pkey -in "${file%cert.pem}key.pem" -pubout)" ] || broken=$((broken + 1))
    done
    same "every certificate on disk is recorded and whole" "0 0" "$unknown $broken"
    refuse "the same again says what is there" 73 'dead/k-0001/key.pem: exists' "$CA" issue device \
        --ca pki --tenant acme --kind thermostat --out dead --names kill-names
    rm dead/k-0001/cert.pem
    refuse "and what an unfinished folder is" 73 'an interrupted ph-ca issue left: delete it' \
        device dead/k-0001 k-0001
    expect_ok "other names are issued" device dead/other k-other
    # A revoke that was killed after its mark and before the CRL.
    sqlite3 pki/ca.db "UPDATE certificate SET revoked_ms = 1700000000000 WHERE name = 'k-other'"
    expect_ok "not yet on the CRL" verify sslclient devices dead/other/cert.pem
    expect_ok "the next crl" "$CA" crl --ca pki
    expect_refused "puts it there" 'certificate revoked' verify sslclient devices dead/other/cert.pem
}

authority_cases() { # CA-16
    expect_ok "revoke a subordinate CA" "$CA" revoke --ca pki --authority devices --reason cACompromise
    expect_refused "its leaves fail" 'certificate revoked' verify sslclient devices many/m-1/cert.pem
    expect_ok "others pass" verify sslclient services s1/cert.pem
    refuse "it issues no more" 77 'pki: devices: revoked: it issues no more; make its next generation with ph-ca rollover' \
        device x t-1
    same "nothing was made" "" "$(find . -maxdepth 1 -name x)"
}

need openssl sqlite3
test_begin "ph-ca"
cd "$WORK" || exit 1
init_cases
hierarchy_cases
issue_cases
lifetime_cases
name_cases
revoke_cases
crl_cases
show_cases
concurrent_cases
trouble_cases
kill_cases
authority_cases
test_end
