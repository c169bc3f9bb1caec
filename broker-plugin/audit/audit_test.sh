#!/usr/bin/env bash
# ph-policy audit verify, on files that were tampered with. [AUD-20] to [AUD-29]
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"

test_begin "ph-policy audit verify"
P=$PH_BIN/ph-policy
MAKE=$PH_BIN/../tests/test_ph_broker_audit

# verifies STATUS TEXT ARGUMENT...: exit status, and standard output and error as on standard input.
verifies() {
    local want=$1 text=$2 status=0
    shift 2
    cat >want
    "$P" audit verify "$@" >have 2>err || status=$?
    cat err >>have
    if [ "$status" != "$want" ]; then
        fail "$text: want status $want, have $status: $(cat have)"
    elif ! diff want have >difference; then
        fail "$text: $(cat difference)"
    else
        ok "$text"
    fi
}

# says STATUS REGEX TEXT ARGUMENT...: exit status and the one line on standard error.
says() {
    local want=$1 regex=$2 text=$3 status=0
    shift 3
    "$P" audit "$@" >/dev/null 2>err || status=$?
    if [ "$status" != "$want" ] || [ "$(wc -l <err)" != 1 ]; then
        fail "$text: want status $want and one line, have $status: $(cat err)"
    else
        expect_line "$text" err "^ph-policy: $regex"
    fi
}

cd "$WORK" || exit 1
HEAD=$("$MAKE" make a.jsonl 9)
cp a.jsonl good.jsonl

verifies 0 "a file as it was written" a.jsonl <<END
records      9
first        1 at 2026-11-22T19:02:17.123Z
last         9 at 2026-11-22T19:02:25.123Z
head         $HEAD
lost         0
torn         0
faults       0
END
verifies 0 "the same, for programs" a.jsonl --head "$HEAD" --format json <<END
{"found":[],"records":9,"first_seq":1,"first_time":"2026-11-22T19:02:17.123Z","last_seq":9,\
"last_time":"2026-11-22T19:02:25.123Z","head":"$HEAD","lost":0,"torn":0,"faults":0}
END
HASHES=$(sed 's/.*"hash":"\(.*\)"}/\1/' a.jsonl)
expect_ok "another program computes the same hash" \
    test "$(sed -n '3s/,"hash":.*//p' a.jsonl | tr -d '\n' | sha256sum | cut -d' ' -f1)" = \
    "$(sed -n 3p <<<"$HASHES")"
verifies 0 "nothing at all" /dev/null <<END
records      0
lost         0
torn         0
faults       0
END

sed '3s/t-9/t-3/' good.jsonl >a.jsonl
verifies 65 "an edited line" a.jsonl <<END
a.jsonl:3: edited: record 3 was edited: the hash is not that of its text
records      8
first        1 at 2026-11-22T19:02:17.123Z
last         9 at 2026-11-22T19:02:25.123Z
head         $HEAD
lost         0
torn         0
faults       1
ph-policy: audit: faults found: 1, the first: a.jsonl:3: edited: record 3 was edited: the hash is \
not that of its text
END
verifies 65 "the same, for programs" a.jsonl --format json <<END
{"found":[{"file":"a.jsonl","line":3,"fault":"edited","first_seq":3,"last_seq":3,"text":"record 3 \
was edited: the hash is not that of its text"}],"records":8,"first_seq":1,\
"first_time":"2026-11-22T19:02:17.123Z","last_seq":9,"last_time":"2026-11-22T19:02:25.123Z",\
"head":"$HEAD","lost":0,"torn":0,"faults":1}
ph-policy: audit: faults found: 1, the first: a.jsonl:3: edited: record 3 was edited: the hash is \
not that of its text
END

sed '3s/t-9/t-3/' good.jsonl | sed -n '3s/,"hash":.*//p' | tr -d '\n' >text
sed "3s/.*/$(sed 's/[&/]/\\&/g' text),\"hash\":\"$(sha256sum text | cut -d' ' -f1)\"}/" \
    good.jsonl >a.jsonl
says 65 'audit: faults found: 1, the first: a.jsonl:4: edited: record 4 does not follow record 3 at line 3' \
    "an edited line with a new hash" verify a.jsonl
sed 5,7d good.jsonl >a.jsonl
says 65 'audit: faults found: 1, the first: a.jsonl:5: removed: records 5 to 7 are missing' \
    "removed lines" verify a.jsonl
sed '2{h;d};4G' good.jsonl >a.jsonl
says 65 'audit: faults found: 1, the first: a.jsonl:4: reordered: record 2 stands behind record 4' \
    "a moved line" verify a.jsonl
sed '2p' good.jsonl >a.jsonl
says 65 'audit: faults found: 1, the first: a.jsonl:3: copied: record 2 stands behind record 2' \
    "a copied line" verify a.jsonl
sed '2i\
{"seq":2,"event":"disconnect"}' good.jsonl >a.jsonl
says 65 'audit: faults found: 1, the first: a.jsonl:2: unreadable: not a record' \
    "an inserted line" verify a.jsonl
head -c -20 good.jsonl >a.jsonl
says 65 'audit: faults found: 1, the first: a.jsonl:9: torn: the last line has no end' \
    "a torn end" verify a.jsonl
head -n 6 good.jsonl >a.jsonl
expect_ok "a file that was cut off at its end looks whole" "$P" audit verify a.jsonl
says 65 'audit: faults found: 1, the first: a.jsonl:6: head: ends with record 6, the head is 9' \
    "but not beside the head" verify a.jsonl --head "$HEAD"
head -n 7 good.jsonl | head -c -20 >a.jsonl
"$MAKE" make a.jsonl 4 >/dev/null
expect_ok "nor does it when the plugin goes on" "$P" audit verify a.jsonl
says 65 'audit: faults found: 1, the first: a.jsonl:10: head: record 9 is not the one of that head' \
    "but not beside the head either" verify --head "$HEAD" -- a.jsonl

# A crash in the middle of a line: the plugin closes the line and tells.
head -c -20 good.jsonl >a.jsonl
"$MAKE" make a.jsonl 2 >/dev/null
"$P" audit verify a.jsonl >have
expect_line "a line that a crash cut off is no fault" have '^faults +0$'
expect_line "but counted" have '^torn +1$'

# Rotation, with the plugin running or not.
rm a.jsonl
"$MAKE" make a.jsonl 5 >/dev/null
mv a.jsonl a.jsonl.1
NEXT=$("$MAKE" make a.jsonl 4)
verifies 0 "rotated files, the oldest first" a.jsonl.1 a.jsonl --head "$NEXT" <<END
records      9
first        1 at 2026-11-22T19:02:17.123Z
last         9 at 2026-11-22T19:02:25.123Z
head         $NEXT
lost         0
torn         0
faults       0
END
"$P" audit verify a.jsonl >have
expect_line "the later one alone says what it continues" have \
    "^continues +$(tail -n1 a.jsonl.1 | sed 's/.*"hash":"\(.*\)"}/\1/')$"
says 65 'audit: faults found: 1, the first: a.jsonl.1:1: other-chain: record 1 stands behind record 9' \
    "in the wrong order" verify a.jsonl a.jsonl.1
rm a.jsonl.1
"$MAKE" make b.jsonl 5 >/dev/null
sed -i 5d b.jsonl
says 65 'audit: faults found: 1, the first: a.jsonl:1: removed: record 5 is missing' \
    "a line between two files" verify b.jsonl a.jsonl

says 64 'audit: want "verify", have "check"' "another word" check a.jsonl
says 64 'missing argument: want verify FILE' "no file" verify
says 64 'head: want SEQ:HASH' "half a head" verify a.jsonl --head 9
says 64 '--format: want text or json' "another format" verify a.jsonl --format xml
says 66 'nosuch.jsonl: open' "no such file" verify nosuch.jsonl
says 74 '\.: read' "a folder" verify .
test_end
