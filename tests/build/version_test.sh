#!/usr/bin/env bash
# The version stands in CMakeLists.txt and nowhere else, and every program prints it.
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"
. "$PH_SOURCE/tests/build/build.sh"

test_begin "version"
version=$(cache_value CMAKE_PROJECT_VERSION)
expect_line "CMakeLists.txt has it" "$PH_SOURCE/CMakeLists.txt" "VERSION ${version//./\\.} "
copies=$(cd "$PH_SOURCE" && grep -rIlwF --exclude-dir=build --exclude-dir=.git \
    --exclude=CHANGELOG.md -e "$version" . | grep -vx './CMakeLists.txt')
if [ -z "$copies" ]; then
    ok "no other file has it"
else
    fail "$version also stands in: $copies"
fi
while read -r program; do
    name=$(basename "$program")
    if [ "$("$program" --version)" = "$name $version" ]; then
        ok "$name --version"
    else
        fail "$name --version: want \"$name $version\", have \"$("$program" --version 2>&1)\""
    fi
done < <(programs)
test_end
