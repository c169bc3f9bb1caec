#!/bin/sh
# Makes a small certificate hierarchy for tests, with nothing but the openssl program:
#   mqtt_testbed.sh DIR
# DIR/{root,brokers,devices,stranger}.pem   CAs; brokers and devices stand below root
# DIR/trust-brokers.pem, trust-clients.pem  what a device, a broker trusts
# DIR/NAME.pem, NAME.key                    leaf (with its subordinate CA) and key of each leaf below
set -eu

dir=$1
mkdir -p "$dir"
cd "$dir"
umask 077

cat >ca.cnf <<'CONFIG'
[ca]
default_ca = any
[any]
new_certs_dir = .
database = index.txt
serial = serial
default_md = sha256
policy = anything
unique_subject = no
email_in_dn = no
[anything]
organizationName = optional
organizationalUnitName = optional
commonName = optional
[req]
distinguished_name = empty
string_mask = utf8only
[empty]
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
[ca_brokers]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
extendedKeyUsage = serverAuth
[ca_devices]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
extendedKeyUsage = clientAuth
[broker]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost,IP:127.0.0.1
[elsewhere]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:elsewhere.example
[device]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = clientAuth
[rogue]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = clientAuth
subjectAltName = DNS:localhost,IP:127.0.0.1
CONFIG
: >index.txt
echo 1000 >serial

key() {
    openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
}

# ca NAME SECTION ISSUER: ISSUER equal to NAME makes a root
ca() {
    key "$1"
    openssl req -config ca.cnf -new -key "$1.key" -subj "/O=phonehome/CN=$1" -out "$1.csr"
    if [ "$1" = "$3" ]; then
        set -- "$@" -selfsign -keyfile "$1.key"
    else
        set -- "$@" -cert "$3.pem" -keyfile "$3.key"
    fi
    name=$1 section=$2
    shift 3
    openssl ca -config ca.cnf -batch -notext -extensions "$section" -days 30 -in "$name.csr" \
        -out "$name.pem" "$@" 2>ca.log
}

# leaf NAME SECTION ISSUER SUBJECT START END
leaf() {
    key "$1"
    openssl req -config ca.cnf -new -key "$1.key" -subj "$4" -out "$1.csr"
    openssl ca -config ca.cnf -batch -notext -preserveDN -extensions "$2" -cert "$3.pem" \
        -keyfile "$3.key" -startdate "$5" -enddate "$6" -in "$1.csr" -out "$1.pem" 2>ca.log
    cat "$3.pem" >>"$1.pem"
}

start=20250101000000Z
end=20490101000000Z
ca root root root
ca stranger root stranger
ca brokers ca_brokers root
ca devices ca_devices root
leaf broker broker brokers /O=acme/OU=broker/CN=localhost "$start" "$end"
leaf elsewhere elsewhere brokers /O=acme/OU=broker/CN=elsewhere "$start" "$end"
leaf rogue rogue devices /O=acme/OU=thermostat/CN=rogue "$start" "$end"
leaf impostor broker stranger /O=acme/OU=broker/CN=localhost "$start" "$end"
leaf device device devices /O=acme/OU=thermostat/CN=t-0001 "$start" "$end"
leaf device2 device devices /O=acme/OU=thermostat/CN=t-0002 "$start" "$end"
leaf expired device devices /O=acme/OU=thermostat/CN=t-0003 "$start" 20250201000000Z
leaf future device devices /O=acme/OU=thermostat/CN=t-0004 20480101000000Z "$end"
leaf noname device devices /O=acme/CN=t-0005 "$start" "$end"
cat brokers.pem root.pem >trust-brokers.pem
cat devices.pem root.pem >trust-clients.pem
