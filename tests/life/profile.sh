# shellcheck shell=bash
# Checks every certificate of the stage's inventory against the table in docs/spec/certificate.md, by openssl and, where
# it is installed, by GnuTLS: others than the library that made them. Source stage.sh first.

# every_certificate: each that was ever issued, into $WORK/profile/<serial>.pem, and a line "serial type status issuer".
every_certificate() {
    mkdir -p "$WORK/profile"
    sqlite3 -separator ' ' "$PKI/ca.db" "SELECT serial, type, revoked_ms = 0, issuer, hex(der) FROM certificate
        WHERE issuer <> 'foreign'" |
        while read -r serial type good issuer der; do
            basenc --base16 -d <<<"$der" | openssl x509 -inform DER -out "$WORK/profile/$serial.pem" || break
            printf '%s %s %s %s\n' "$serial" "$type" "$good" "$issuer"
        done
}

# extensions FILE: one a line, with its value behind it, and without what differs from one to the next.
extensions() {
    openssl x509 -in "$1" -noout -text -certopt no_header,no_version,no_serial,no_signame,no_validity,no_subject,no_issuer,no_pubkey,no_sigdump,no_aux |
        awk '/X509v3 extensions:/ { next }
             /X509v3/ { printf "%s%s", n++ ? "\n" : "", $0; next }
             /^ *$/ { next }
             { printf " %s", $0 } END { print "" }' | sed -E 's/  +/ /g; s/^ //; s/ $//; s/((Subject|Authority) Key Identifier:).*/\1/'
}

# table TYPE CERTIFICATE: what extensions() must print for it.
table() {
    local usage="TLS Web Client Authentication"
    openssl x509 -in "$2" -noout -subject -nameopt RFC2253 | grep -q 'CN=[^,]* brokers' && usage="TLS Web Server Authentication"
    [ "$1" != broker ] || usage="TLS Web Server Authentication"
    case $1 in
    root)
        printf 'X509v3 Basic Constraints: critical CA:TRUE\nX509v3 Key Usage: critical Certificate Sign, CRL Sign\n'
        ;;
    authority)
        printf 'X509v3 Basic Constraints: critical CA:TRUE, pathlen:0\nX509v3 Key Usage: critical Certificate Sign, CRL Sign\n'
        printf 'X509v3 Extended Key Usage: %s\n' "$usage"
        ;;
    *)
        printf 'X509v3 Basic Constraints: critical CA:FALSE\nX509v3 Key Usage: critical Digital Signature\n'
        printf 'X509v3 Extended Key Usage: %s\n' "$usage"
        ;;
    esac
    printf 'X509v3 Subject Key Identifier:\nX509v3 Authority Key Identifier:\n'
    [ "$1" != broker ] || printf 'X509v3 Subject Alternative Name: DNS:localhost, IP Address:127.0.0.1\n'
}

is_root() {
    [ "$(openssl x509 -in "$1" -noout -subject | sed 's/^subject=//')" = "$(openssl x509 -in "$1" -noout -issuer | sed 's/^issuer=//')" ]
}

# keeps_profile TYPE FILE: prints what is wrong.
keeps_profile() {
    local type=$1 file=$2
    if [ "$type" = authority ] && is_root "$file"; then type=root; fi
    extensions "$file" | sort >"$WORK/have"
    table "$type" "$file" | sort >"$WORK/want"
    grep -v 'Name Constraints' "$WORK/have" | diff "$WORK/want" - >"$WORK/diff" || head -n 3 "$WORK/diff"
    openssl x509 -in "$file" -noout -text >"$WORK/text"
    grep -q 'Version: 3 (0x2)' "$WORK/text" || echo "not of version 3"
    grep -q 'Signature Algorithm: ecdsa-with-SHA256' "$WORK/text" || echo "signed in another way"
    grep -q 'NIST CURVE: P-256' "$WORK/text" || echo "a key of another curve"
}

purpose_of() {
    if [ "$1" = broker ]; then echo sslserver; else echo sslclient; fi
}

# verified TYPE FILE: by openssl against the CAs and CRLs of the run; prints what is wrong.
verified() {
    openssl verify -x509_strict -crl_check_all -purpose "$(purpose_of "$1")" -CAfile "$WORK/profile/roots" \
        -untrusted "$WORK/profile/authorities" -CRLfile "$PKI/trust/crl.pem" "$2" 2>&1 | grep -v ': OK$'
}

# verified_by_gnutls FILE ISSUER
verified_by_gnutls() {
    cat "$1" "$PKI/$2/ca.crt" >"$WORK/profile/chain"
    certtool --verify --verify-profile=medium --load-ca-certificate "$WORK/profile/roots" --infile "$WORK/profile/chain" \
        >"$WORK/profile/gnutls" 2>&1 || tail -n 3 "$WORK/profile/gnutls"
}

gather_authorities() {
    local file
    : >"$WORK/profile/roots"
    : >"$WORK/profile/authorities"
    for file in "$PKI"/*/ca.crt; do
        if is_root "$file"; then cat "$file" >>"$WORK/profile/roots"; else cat "$file" >>"$WORK/profile/authorities"; fi
    done
}

report_profile() { # TEXT COUNT FILE-WITH-FAULTS
    if [ -s "$3" ]; then
        fail "$1: $(head -n 5 "$3" | tr '\n' ';')"
    elif [ "$2" -lt 5 ]; then
        fail "$1: only $2 certificates were looked at"
    else
        ok "$1: $2 certificates"
    fi
}

# [CERT-4] to [CERT-7], [CERT-29] of everything that the run has issued; its chains as others verify them.
profile_cases() {
    local serial type good issuer all=0 chains=0 faults=$WORK/faults
    authority crl >/dev/null || fail "the CRLs cannot be signed"
    every_certificate >"$WORK/certificates"
    gather_authorities
    : >"$faults.table"
    : >"$faults.openssl"
    : >"$faults.gnutls"
    while read -r serial type good issuer; do
        all=$((all + 1))
        keeps_profile "$type" "$WORK/profile/$serial.pem" | sed "s/^/$serial: /" >>"$faults.table"
        if [ "$type" = authority ] || [ "$good" = 0 ] || ! openssl x509 -in "$WORK/profile/$serial.pem" -noout -checkend 0 >/dev/null; then
            continue
        fi
        chains=$((chains + 1))
        verified "$type" "$WORK/profile/$serial.pem" >>"$faults.openssl"
        if command -v certtool >/dev/null; then
            verified_by_gnutls "$WORK/profile/$serial.pem" "$issuer" >>"$faults.gnutls"
        fi
    done <"$WORK/certificates"
    report_profile "all that was issued keeps to the profile" "$all" "$faults.table"
    report_profile "openssl verifies strictly, with all CRLs, what is good" "$chains" "$faults.openssl"
    if command -v certtool >/dev/null; then
        report_profile "so does GnuTLS" "$chains" "$faults.gnutls"
    fi
}
