# shellcheck shell=bash
# Certificates by the openssl command line, for what ph-ca rightly refuses to make: other people's
# CAs, and what a CA that misbehaves would sign. A CA is a folder with ca.key and ca.crt, as in the
# tree of ph-ca; a certificate is a folder with key.pem and cert.pem. Source harness.sh first.

# utc SECONDS: the time that many seconds from now (negative: ago), as certificates spell it.
utc() {
    date -u -d "@$(($(date +%s) + $1))" +%Y%m%d%H%M%SZ
}

pki_key() {
    [ -e "$1" ] || (umask 077 && openssl ecparam -name prime256v1 -genkey -noout -out "$1")
}

# pki_root DIR SUBJECT: a self-signed CA.
pki_root() {
    mkdir -p "$1"
    pki_key "$1/ca.key"
    openssl req -new -x509 -key "$1/ca.key" -subj "$2" -days 30 -out "$1/ca.crt" \
        -addext basicConstraints=critical,CA:TRUE \
        -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null || die "openssl req: $1"
}

# Writes what `openssl ca` wants to have around a CA.
ca_config() {
    local dir=$1
    mkdir -p "$dir"
    : >"$dir/index.txt"
    printf 'unique_subject = no\n' >"$dir/index.txt.attr"
    cat >"$dir/ca.conf" <<CONF
[ca]
default_ca = this
[this]
database = $dir/index.txt
new_certs_dir = $dir
default_md = sha256
policy = any
rand_serial = yes
[any]
commonName = optional
CONF
}

# pki_sign CA OUT SUBJECT EXTENSIONS [FROM UNTIL]: a certificate by that CA, whatever the subject
# ("/O=a/CN=b", '/' escaped by a backslash) and the extension lines (separated by ';'), valid from
# and until so many seconds from now. cert.pem is the leaf followed by the CA's certificate.
pki_sign() {
    local ca=$1 out=$2 subject=$3 extensions=$4 from=${5:--3600} until=${6:-86400} name=leaf
    mkdir -p "$out"
    case $extensions in *CA:TRUE*) name=ca ;; esac
    if [ "$name" = ca ]; then
        pki_key "$out/ca.key"
        ln -sf ca.key "$out/key.pem"
    fi
    pki_key "$out/key.pem"
    ca_config "$out/openssl"
    tr ';' '\n' <<<"$extensions" >"$out/openssl/ext"
    openssl req -new -key "$out/key.pem" -subj "$subject" -out "$out/openssl/csr" 2>/dev/null ||
        die "openssl req: $subject"
    openssl ca -batch -notext -preserveDN -config "$out/openssl/ca.conf" \
        -cert "$ca/ca.crt" -keyfile "$ca/ca.key" -in "$out/openssl/csr" -out "$out/$name.crt" \
        -startdate "$(utc "$from")" -enddate "$(utc "$until")" -extfile "$out/openssl/ext" \
        >"$out/openssl/log" 2>&1 || die "openssl ca: $subject: $(cat "$out/openssl/log")"
    cat "$out/$name.crt" "$ca/ca.crt" >"$out/cert.pem"
}

# pki_crl CA: an empty revocation list in CA/crl.pem.
pki_crl() {
    ca_config "$1/openssl"
    openssl ca -gencrl -config "$1/openssl/ca.conf" -crldays 7 -cert "$1/ca.crt" \
        -keyfile "$1/ca.key" -out "$1/crl.pem" 2>/dev/null || die "openssl ca -gencrl: $1"
}

# der TAG FILE: writes FILE's bytes as the content of one DER element (TAG in hexadecimal).
der() {
    local size
    size=$(stat -c %s "$2")
    if [ "$size" -lt 128 ]; then
        printf '%b' "\\x$1\\x$(printf %02x "$size")"
    else
        printf '%b' "\\x$1\\x82\\x$(printf %02x $((size >> 8)))\\x$(printf %02x $((size & 255)))"
    fi
    cat "$2"
}

# pki_forge CA OUT SED: edits the bytes of OUT's leaf (same length) and signs the result anew with
# the CA's key, for subjects that no tool would write.
pki_forge() {
    local ca=$1 out=$2 tmp=$2/openssl
    openssl asn1parse -in "$out/leaf.crt" -strparse 4 -noout -out "$tmp/tbs" || die "forge: $out"
    sed "$3" "$tmp/tbs" >"$tmp/forged"
    cmp -s "$tmp/tbs" "$tmp/forged" && die "pki_forge: $3: nothing to edit in $out"
    {
        cat "$tmp/forged"
        printf '\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02' # ecdsa-with-SHA256
        openssl dgst -sha256 -sign "$ca/ca.key" "$tmp/forged" >"$tmp/signature"
        { printf '\0' && cat "$tmp/signature"; } >"$tmp/bits"
        der 03 "$tmp/bits"
    } >"$tmp/body"
    der 30 "$tmp/body" >"$tmp/forged.der"
    openssl x509 -inform DER -in "$tmp/forged.der" -out "$out/leaf.crt" || die "pki_forge: $out"
    cat "$out/leaf.crt" "$ca/ca.crt" >"$out/cert.pem"
}

# pki_serial CERTIFICATE: its serial number as the plugin's log writes it.
pki_serial() {
    openssl x509 -in "$1" -noout -serial | sed 's/^serial=0*//' | tr '[:upper:]' '[:lower:]'
}
