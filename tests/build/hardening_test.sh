#!/usr/bin/env bash
# What an attacker with a memory error would meet: every program and the plugin have the protections
# that compiler and linker offer. Debug and sanitizer builds do without some of them.
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"
. "$PH_SOURCE/tests/build/build.sh"

# weaknesses FILE: one line for each protection that the ELF file lacks.
weaknesses() {
    local header segments dynamic symbols
    header=$(readelf --wide --file-header "$1")
    segments=$(readelf --wide --program-headers "$1")
    dynamic=$(readelf --wide --dynamic "$1")
    symbols=$(readelf --wide --dyn-syms "$1")
    grep -q 'Type: *DYN' <<<"$header" || echo "not position independent"
    grep -q GNU_RELRO <<<"$segments" || echo "no read-only relocations"
    grep -Eq 'BIND_NOW|FLAGS_1.*NOW' <<<"$dynamic" || echo "symbols bound late: relocations writable"
    grep -Eq 'GNU_STACK.* RW ' <<<"$segments" || echo "executable stack"
    grep -Eq 'LOAD.* RWE ' <<<"$segments" && echo "a segment both writable and executable"
    grep -q __stack_chk_fail <<<"$symbols" || echo "no stack protector"
    # Calls such as __memcpy_chk exist only where _FORTIFY_SOURCE could check a size at run time.
    grep -E '_chk(@|$)' <<<"$symbols" | grep -qv __stack_chk || echo "no fortified call"
    grep -Eq 'RPATH|RUNPATH' <<<"$dynamic" && echo "looks for libraries in a folder of its own"
    grep -q TEXTREL <<<"$dynamic" && echo "relocations in code"
    return 0
}

test_begin "hardening"
need readelf

printf '#include <stdio.h>\nint main(void) { char b[9]; return fgets(b, 9, stdin) == NULL; }\n' \
    >"$WORK/weak.c"
"$(cache_value CMAKE_C_COMPILER)" -O0 -U_FORTIFY_SOURCE -fno-stack-protector -fno-pie -no-pie \
    -Wl,-z,norelro -Wl,-z,lazy -Wl,-z,execstack -Wl,-rpath,/tmp -o "$WORK/weak" "$WORK/weak.c" \
    2>/dev/null || die "the weak program does not compile"
weaknesses "$WORK/weak" >"$WORK/found"
for weakness in "not position" "read-only" "bound late" "executable stack" "stack protector" \
    "fortified" "folder of its own"; do
    expect_line "a weak program is told: $weakness" "$WORK/found" "$weakness"
done

if [ -n "${PH_SANITIZE:-}" ] || [ "$(cache_value CMAKE_BUILD_TYPE)" = Debug ]; then
    [ "$FAIL_COUNT" = 0 ] || test_end
    skip "a debug or sanitizer build is not hardened"
fi
while read -r file; do
    found=$(weaknesses "$file" | paste -sd,)
    if [ -z "$found" ]; then
        ok "$(basename "$file")"
    else
        fail "$(basename "$file"): $found"
    fi
done < <(programs && echo "$PH_PLUGIN")
test_end
