#!/usr/bin/env bash
# What the packages bring besides programs: maintainer scripts that do nothing to a machine on their own, phonehome-setup's
# words, and its man page. PKG-1, PKG-10.
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"

setup=$PH_SOURCE/packaging/phonehome-setup
page=$PH_SOURCE/docs/man/phonehome-setup.8

test_begin "packaging"
need mandoc
expect_ok "phonehome-setup.8: no fault" mandoc -T lint -W warning "$page"
while read -r option; do
    expect_line "phonehome-setup.8 says --$option" "$page" "^\\.It Fl Fl $option( |$)"
done < <("$setup" --help | sed -n 's/^  --\([a-z]*\).*/\1/p' | grep -vx 'help\|version')
expect_refused "an unknown option" '^phonehome-setup: --nonsense: no such option; see' "$setup" --nonsense
expect_refused "an option without its value" '^phonehome-setup: --dns: needs a value' "$setup" --dns
expect_refused "no name for the broker" '^phonehome-setup: --dns: missing; give' "$setup"

for package in broker-plugin ca device ingest; do
    for file in description postinst prerm postrm; do
        expect_ok "packaging/$package/$file" test -s "$PH_SOURCE/packaging/$package/$file"
    done
    if [ "$(awk 'NR == 1 || length > 78' "$PH_SOURCE/packaging/$package/description" | wc -l)" != 1 ]; then
        fail "packaging/$package/description: a line beyond 78 characters"
    fi
    # An installation enables nothing and starts nothing that was not running.
    if grep -nE 'systemctl.* (start|enable)|deb-systemd-helper (enable|unmask)|deb-systemd-invoke (start|restart)' \
        "$PH_SOURCE/packaging/$package"/p*; then
        fail "packaging/$package: enables or starts something"
    fi
done
test_end
