# shellcheck shell=bash
# MQTT 5 packets as hexadecimal text, made and read by hand: what a hostile client sends through
# `openssl s_client`. Payloads and topics stay below 16 kB. Source harness.sh first.

to_hex() {
    od -An -v -tx1 | tr -d ' \n'
}

# from_hex HEX: the bytes.
from_hex() {
    # shellcheck disable=SC2001 # ${1//} has no "&" in the bash of Debian 12
    printf '%b' "$(sed 's/../\\x&/g' <<<"$1")"
}

# mqtt_text TEXT: a string with its length in front.
mqtt_text() {
    printf '%04x%s' "${#1}" "$(printf '%s' "$1" | to_hex)"
}

# mqtt_packet FIRST-BYTE BODY
mqtt_packet() {
    local size=$((${#2} / 2))
    if [ "$size" -lt 128 ]; then
        printf '%s%02x%s' "$1" "$size" "$2"
    else
        printf '%s%02x%02x%s' "$1" $((size % 128 + 128)) $((size / 128)) "$2"
    fi
}

# mqtt_connect CLIENT-ID [WILL-TOPIC WILL-PAYLOAD]
mqtt_connect() {
    local flags=02 will=""
    if [ $# -gt 1 ]; then
        flags=0e # with a will of QoS 1
        will=00$(mqtt_text "$2")$(mqtt_text "$3")
    fi
    mqtt_packet 10 "00044d51545405${flags}003c00$(mqtt_text "$1")$will"
}

# mqtt_publish TOPIC PAYLOAD: QoS 1
mqtt_publish() {
    mqtt_packet 32 "$(mqtt_text "$1")000100$(printf '%s' "$2" | to_hex)"
}

# mqtt_subscribe FILTER: QoS 1
mqtt_subscribe() {
    mqtt_packet 82 "000200$(mqtt_text "$1")01"
}

# mqtt_disconnect [REASON]: 04 asks for the will.
mqtt_disconnect() {
    mqtt_packet e0 "${1:-}"
}

# mqtt_reason FILE TYPE: the reason code in the first packet of that type (its first byte, such as
# 20 for CONNACK) among the broker's answer, as hexadecimal text; nothing when there is none.
mqtt_reason() {
    local answer at=0 size body
    answer=$(to_hex <"$1")
    while [ $((at + 4)) -le ${#answer} ]; do
        size=$((16#${answer:at+2:2}))
        body=$((at + 4))
        if [ "$size" -ge 128 ]; then
            size=$((size - 128 + 128 * 16#${answer:at+4:2}))
            body=$((at + 6))
        fi
        if [ "${answer:at:2}" = "$2" ]; then
            reason_in "$2" "$size" "${answer:body:size*2}"
            return
        fi
        at=$((body + size * 2))
    done
}

# The reason code's place differs: behind the flags (CONNACK), behind the packet id (PUBACK, absent
# means success), at the end (SUBACK of one filter), first (DISCONNECT).
reason_in() {
    case $1 in
    20) printf '%s' "${3:2:2}" ;;
    40) if [ "$2" -gt 2 ]; then printf '%s' "${3:4:2}"; else printf 00; fi ;;
    90) printf '%s' "${3: -2}" ;;
    e0) printf '%s' "${3:0:2}" ;;
    esac
}
