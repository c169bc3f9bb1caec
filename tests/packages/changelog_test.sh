#!/usr/bin/env bash
# PKG-4: CHANGELOG.md is of the version of project(), and becomes Debian's changelog.
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"

changelog() {
    awk -v maintainer='Some One <one@example.org>' -v version="$1" -f "$PH_SOURCE/cmake/changelog.awk" "$2"
}

test_begin "changelog"
version=$(sed -n 's/^project(phonehome VERSION \([0-9.]*\) .*/\1/p' "$PH_SOURCE/CMakeLists.txt")
expect_ok "CHANGELOG.md is of version $version" changelog "$version" "$PH_SOURCE/CHANGELOG.md"
expect_refused "another version" "the newest version is $version, that of project.* is 99.9" \
    changelog 99.9 "$PH_SOURCE/CHANGELOG.md"

cat >"$WORK/two.md" <<'END'
# Changelog

## [Unreleased]

- Not yet.

## [2.1.0] - 2026-02-03

### Added

- A `thing` that is described in words enough for one line of seventy-five columns
  and another line.

### Fixed

- Another.

## [2.0.0] - 2026-01-01

- First.

[2.1.0]: https://example.org/
END
cat >"$WORK/want" <<'END'
phonehome (2.1.0) unstable; urgency=medium

  * A thing that is described in words enough for one line of seventy-five
    columns and another line.
  * Another.

 -- Some One <one@example.org>  Tue, 03 Feb 2026 00:00:00 +0000

phonehome (2.0.0) unstable; urgency=medium

  * First.

 -- Some One <one@example.org>  Thu, 01 Jan 2026 00:00:00 +0000
END
changelog 2.1.0 "$WORK/two.md" >"$WORK/have"
expect_ok "two entries, one unreleased" diff "$WORK/want" "$WORK/have"
expect_ok "Debian's own reader agrees" dpkg-parsechangelog --file "$WORK/have" --all
printf '## [1.0.0]\n\n- First.\n' >"$WORK/undated.md"
expect_refused "an entry without a date" 'no date in: ## \[1.0.0\]' changelog 1.0.0 "$WORK/undated.md"
printf '# Changelog\n' >"$WORK/empty.md"
expect_refused "no entry at all" 'no version' changelog 1.0.0 "$WORK/empty.md"
test_end
