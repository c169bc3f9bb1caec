#!/usr/bin/env bash
# ph-policy's output, compared with golden/*.want; "golden_test.sh --regenerate" writes them anew,
# for git diff to show. A case is NAME.cmd (the arguments, as a shell reads them) and NAME.want
# (standard output, standard error, exit status) beside the files that it reads. Certificates and
# CRLs are made at run time, so what varies with them is blanked out.
# [PPL-1] [PPL-2] [PPL-3] [PPL-4] [PPL-5] [PPL-6] [PPL-7] [PPL-8] [PPL-9] [PPL-10] [PPL-11] [PPL-12]
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"
. "$PH_SOURCE/tests/lib/pki.sh"

CLIENT='basicConstraints=critical,CA:FALSE;keyUsage=critical,digitalSignature;extendedKeyUsage=clientAuth'
SIGNING='basicConstraints=critical,CA:TRUE;keyUsage=critical,keyCertSign,cRLSign;extendedKeyUsage=clientAuth'
GOLDEN=$PH_SOURCE/broker-plugin/tool/golden
P=$PH_BIN/ph-policy

# crl CA FROM UNTIL FILE: a CRL whose life began and ends so many seconds from now.
crl() {
    openssl ca -gencrl -config "$1/openssl/ca.conf" -crl_lastupdate "$(utc "$2")" \
        -crl_nextupdate "$(utc "$3")" -cert "$1/ca.crt" -keyfile "$1/ca.key" -out "$4" 2>/dev/null ||
        die "openssl ca -gencrl: $1"
}

make_pki() {
    local name
    pki_root root /CN=root
    mkdir -p pki/trust
    pki_crl root
    cp root/crl.pem pki/trust/crl.pem
    for name in devices services; do
        pki_sign root $name /CN=$name "$SIGNING"
        cat $name/ca.crt root/ca.crt >pki/trust/$name.pem
    done
    pki_sign devices t-1 /O=acme/OU=thermostat/CN=t-1 "$CLIENT"
    pki_sign devices berlin "/O=acme/OU=thermostat/L=Berlin Mitte/CN=t-2" "$CLIENT"
    pki_sign devices revoked /O=acme/OU=thermostat/CN=t-3 "$CLIENT"
    openssl ca -config devices/openssl/ca.conf -cert devices/ca.crt -keyfile devices/ca.key \
        -revoke revoked/leaf.crt 2>/dev/null || die "openssl ca -revoke"
    for name in devices services; do
        crl $name -60 600000 $name/crl.pem
        cat $name/crl.pem >>pki/trust/crl.pem
    done
    crl devices -80000 10000 ageing.pem
    crl devices -80000 -70000 closed.pem
    cat root/crl.pem services/crl.pem | tee -a ageing.pem >>closed.pem
    openssl x509 -in t-1/cert.pem -noout -pubkey | openssl pkey -pubin -outform DER |
        sha256sum | sed 's/^\([0-9a-f]*\).*/deny key \1/' >key.txt
}

# chain FILE: records as an audit file holds them, each with its number, time and hashes.
chain() {
    local record line hash seq=0
    local prev=0000000000000000000000000000000000000000000000000000000000000000
    while IFS= read -r record; do
        seq=$((seq + 1))
        line="{\"seq\":$seq,\"time\":\"2026-11-22T00:00:00.$(printf %03d $seq)Z\",$record,\"prev\":\"$prev\""
        hash=$(printf %s "$line" | sha256sum)
        prev=${hash%% *}
        printf '%s,"hash":"%s"}\n' "$line" "$prev"
    done <"$1"
}

# What varies from run to run: the folder, times, serial numbers, hashes.
blank() {
    sed -E -e "s#$WORK/##g" -e 's/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z/TIME/g' \
        -e 's/\b[0-9a-f]{64}\b/HASH/g' -e 's/^(serial +)[0-9a-f]+$/\1SERIAL/' \
        -e 's/"serial":"[0-9a-f]+"/"serial":"SERIAL"/; s/(serial number) [0-9a-f]+/\1 SERIAL/' \
        -e 's/"number":"[0-9]+"/"number":"N"/g'
}

# run NAME: what the case prints.
run() {
    local status=0 arguments
    arguments=$(cat "$GOLDEN/$1.cmd")
    eval "\"$P\" $arguments" >out 2>err </dev/null || status=$?
    blank <out
    sed 's/^/stderr: /' err | blank
    printf 'status: %d\n' "$status"
}

test_begin "ph-policy against golden/"
need openssl sha256sum
cd "$WORK" || exit 1
cp "$GOLDEN"/*.yaml "$GOLDEN"/*.txt "$GOLDEN"/*.csv "$GOLDEN"/*.conf .
make_pki
chain "$GOLDEN/audit.records" >audit.jsonl
chain "$GOLDEN/audit-hostile.records" >audit-hostile.jsonl
sed '3s/t-0002/t-0003/' audit.jsonl >edited.jsonl
for command in "$GOLDEN"/*.cmd; do
    name=$(basename "$command" .cmd)
    run "$name" >have
    if [ "${1:-}" = --regenerate ]; then
        cp have "$GOLDEN/$name.want"
        ok "$name: written"
    elif difference=$(diff -u "$GOLDEN/$name.want" have); then
        ok "$name"
    else
        fail "$name: $difference"
    fi
    if [[ $(cat "$command") == *"--format json"* && -s out ]] && command -v jq >/dev/null; then
        expect_ok "$name: is JSON" jq -e . out
    fi
done
test_end
