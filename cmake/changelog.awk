# Debian's changelog from CHANGELOG.md: awk -v maintainer="NAME <ADDRESS>" -v version=V -f changelog.awk CHANGELOG.md
# Each "## [VERSION] - DATE" is an entry; the newest must be the version that is being built. "## [Unreleased]" is left out.

function end_entry() {
    if (open) {
        printf "\n -- %s  %s\n", maintainer, date
    }
}

function fail(text) {
    print "CHANGELOG.md: " text >"/dev/stderr"
    failed = 1
    exit 1
}

# An item, broken at 75 columns.
function item(text, words, count, i, line) {
    count = split(text, words, " ")
    line = "  *"
    for (i = 1; i <= count; i++) {
        if (length(line) + 1 + length(words[i]) > 75) {
            print line
            line = "   "
        }
        line = line " " words[i]
    }
    print line
}

function end_item() {
    if (pending != "") {
        gsub(/`/, "", pending)
        item(pending)
    }
    pending = ""
}

/^## / {
    end_item()
    end_entry()
    open = 0
}
/^## \[[0-9]/ {
    if (!match($0, /\[[^\]]*\]/)) {
        fail("no version in: " $0)
    }
    this = substr($0, RSTART + 1, RLENGTH - 2)
    if (!entries++ && this != version) {
        fail("the newest version is " this ", that of project() in CMakeLists.txt is " version)
    }
    if (!match($0, /[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]$/)) {
        fail("no date in: " $0)
    }
    command = "LC_ALL=C date --utc --date=" substr($0, RSTART) " '+%a, %d %b %Y %H:%M:%S +0000'"
    command | getline date
    close(command)
    printf "%sphonehome (%s) unstable; urgency=medium\n\n", (entries > 1 ? "\n" : ""), this
    open = 1
    next
}
!open { next }
/^- / {
    end_item()
    pending = substr($0, 3)
    next
}
/^  [^ ]/ {
    pending = pending " " substr($0, 3)
    next
}
{ end_item() }
END {
    if (!failed) {
        end_item()
        end_entry()
        if (!entries) {
            fail("no version")
        }
    }
}
