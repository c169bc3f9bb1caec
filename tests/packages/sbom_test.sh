#!/usr/bin/env bash
# PKG-5, PKG-6: the list of contents of a small package, and what its check finds.
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"

sbom() {
    "$PH_SOURCE/tools/make-sbom" "$@"
}

# value EXPRESSION: of the document d.
value() {
    python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$WORK/list.json" "$1"
}

# expect_value TEXT EXPRESSION REGEX
expect_value() {
    value "$2" >"$WORK/value" 2>&1
    expect_line "$1" "$WORK/value" "$3"
}

# make_package PROGRAM: a package of one program, one text and one configuration file.
make_package() {
    mkdir -p "$WORK/tree/DEBIAN" "$WORK/tree/usr/bin" "$WORK/tree/etc"
    cat >"$WORK/tree/DEBIAN/control" <<'END'
Package: phonehome-small
Version: 1.2~x+1
Architecture: all
Maintainer: Some One <one@example.org>
Description: small
END
    cp "$1" "$WORK/tree/usr/bin/program"
    printf 'key: value\n' >"$WORK/tree/etc/small.yaml"
    dpkg-deb --root-owner-group --build "$WORK/tree" "$WORK/small.deb" >/dev/null
}

# broken TEXT REGEX STATEMENT: the check finds the fault that the statement puts into the document d.
broken() {
    python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); exec(sys.argv[3]); json.dump(d, open(sys.argv[2], "w"))' \
        "$WORK/list.json" "$WORK/broken.json" "$3"
    expect_refused "$1" "$2" sbom --check "$WORK/broken.json"
}

test_begin "list of contents"
need python3 dpkg-deb objdump dpkg-architecture
dpkg-query --show uthash-dev >/dev/null 2>&1 || die "uthash-dev: not installed"
printf 'int main(void) { return 0; }\n' >"$WORK/program.c"
cc -o "$WORK/program" "$WORK/program.c" || die "cc failed"
make_package "$WORK/program"
export SOURCE_DATE_EPOCH=1790000000
expect_ok "is made" sbom --out "$WORK/list.json" "$WORK/small.deb"
expect_ok "passes its check" sbom --check "$WORK/list.json"
sbom --out "$WORK/again.json" "$WORK/small.deb"
expect_ok "the same bytes again" cmp "$WORK/list.json" "$WORK/again.json"
expect_value "its time is SOURCE_DATE_EPOCH" 'd["creationInfo"]["created"]' '^2026-09-21T14:13:20Z$'
expect_value "the package, with its checksum" \
    '[c["checksumValue"] for p in d["packages"] if p["name"] == "phonehome-small" for c in p["checksums"]]' \
    "$(sha256sum <"$WORK/small.deb" | cut -d' ' -f1)"
expect_value "its files" '[f["fileName"] for f in d["files"]]' './etc/small.yaml.*./usr/bin/program'
expect_value "a file's checksum" '[c["checksumValue"] for f in d["files"] for c in f["checksums"]]' \
    "$(sha1sum <"$WORK/program" | cut -d' ' -f1)"
expect_value "the C library with version and licence" \
    '[p["versionInfo"] + " " + p["licenseDeclared"] for p in d["packages"] if p["name"] == "libc6"]' \
    "$(dpkg-query --show --showformat '${Version}' libc6 | sed 's/[+.]/\\&/g') LGPL-2\.1-or-later"

broken "a missing checksum" 'SHA1 is missing' 'd["files"][0]["checksums"].pop(0)'
broken "a checksum that is none" 'checksum SHA256 is none' 'd["files"][0]["checksums"][1]["checksumValue"] = "12"'
broken "a file that was exchanged" 'does not fit its files' 'd["files"][0]["checksums"][0]["checksumValue"] = "0" * 40'
broken "a relation to nothing" 'is not in the document' 'd["relationships"][0]["relatedSpdxElement"] = "SPDXRef-x"'
broken "an id twice" 'given twice' 'd["files"][1]["SPDXID"] = d["files"][0]["SPDXID"]'
broken "another version of SPDX" 'want SPDX-2.3' 'd["spdxVersion"] = "SPDX-9"'
broken "a licence that is none" 'want a licence expression' 'd["packages"][0]["licenseDeclared"] = "free, sort of"'

# A library for which nobody has answered whether it may be linked.
printf 'int strange(void);\nint strange(void) { return 0; }\n' >"$WORK/strange.c"
printf 'int strange(void);\nint main(void) { return strange(); }\n' >"$WORK/program.c"
cc -shared -fPIC -Wl,-soname,libstrange.so.1 -o "$WORK/libstrange.so" "$WORK/strange.c"
cc -o "$WORK/program" "$WORK/program.c" -L"$WORK" -lstrange || die "cc failed"
make_package "$WORK/program"
expect_refused "a library without a line" 'libstrange.so.1: docs/licences.md has no line for it' \
    sbom --out "$WORK/none.json" "$WORK/small.deb"
test_end
