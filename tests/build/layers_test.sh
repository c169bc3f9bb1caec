#!/usr/bin/env bash
# The layers of docs/ARCHITECTURE.md and the calls that are banned, checked on the source tree; then
# on a small tree that breaks every rule, so that this test is known to be able to fail.
. "${PH_SOURCE:?is set by ctest}/tests/lib/harness.sh"

here=$PH_SOURCE/tests/build

# project_sources: the C sources and headers of the folders that make up the product.
project_sources() {
    find core adapters certs broker-plugin device ingest -name '*.[ch]' 2>/dev/null | sort
}

# rank FOLDER: a folder may include from lower ranks and from itself; programs' folders share one
# rank, so they cannot include each other.
rank() {
    case $1 in
    core/base) echo 0 ;;
    core/format) echo 1 ;;
    core/domain) echo 2 ;;
    core/x509) echo 3 ;;
    core/config) echo 4 ;;
    adapters) echo 5 ;;
    *) echo 6 ;;
    esac
}

# folder_of PATH: the layer's folder, core/base for core/base/error.h, ingest for ingest/store/a.h.
folder_of() {
    case $1 in
    core/*) cut -d/ -f1,2 <<<"$1" ;;
    *) cut -d/ -f1 <<<"$1" ;;
    esac
}

# included_folder INCLUDED: where "base/error.h" or "ingest/store.h" lives; empty for a file beside.
included_folder() {
    case $1 in
    base/* | format/* | domain/* | x509/* | config/*) folder_of "core/$1" ;;
    */*) folder_of "$1" ;;
    esac
}

check_layers() {
    local file included from to
    while IFS=: read -r file included; do
        from=$(folder_of "$file")
        to=$(included_folder "$included")
        if [ -n "$to" ] && [ "$to" != "$from" ] && [ "$(rank "$to")" -ge "$(rank "$from")" ]; then
            echo "$file: includes \"$included\": $from stands below or beside $to"
        fi
    done < <(project_sources | xargs -r grep -HoP '^\s*#\s*include\s*"\K[^"]+')
}

# may_include FILE HEADER: one module wraps each library, and no project header shows its types but
# those that are the inside of a wrapping module.
may_include() {
    case $2 in
    sqlite3.h) [[ $1 == adapters/sqlite.c ]] ;;
    MQTT*.h) [[ $1 =~ ^adapters/mqtt(.*\.c|_.*\.h)$ ]] ;;
    openssl/*)
        [[ $1 =~ ^(core/x509|certs)/.*\.c$ || $1 =~ ^adapters/tls(_reason\.c|_internal\.h|\.c)$ ||
            $1 =~ ^core/x509/(openssl|authority|revocation|roots|(issue|request|signed)_fixture|test_pki_parts)\.h$ ]]
        ;;
    cJSON.h | cjson/*) [[ $1 == core/format/json.c ]] ;;
    cyaml.h | cyaml/*) [[ $1 =~ (^core/config/.*\.c|/config\.c|_schema\.h)$ ]] ;;
    yaml.h) [[ $1 == core/config/*.c ]] ;;
    mosquitto.h) [[ $1 == broker-plugin/plugin*.c || $1 == adapters/mosq.c ]] ;;
    mosquitto*.h) [[ $1 == broker-plugin/plugin*.c ]] ;;
    libpq-fe.h) [[ $1 == adapters/postgres_pq.h ]] ;;
    microhttpd.h | nats*.h) false ;;
    esac
}

check_vendors() {
    local file included
    while IFS=: read -r file included; do
        # A test may make hostile certificates by hand.
        if ! may_include "$file" "$included" && [[ $file:$included != *_test*.c:openssl/* ]]; then
            echo "$file: includes <$included>, which only its wrapping module may"
        fi
    done < <(project_sources |
        xargs -r grep -HoP '^\s*#\s*include\s*[<"]\K[^>"]+' |
        grep -E ':(sqlite3|MQTT|openssl/|cJSON|cjson/|cyaml|yaml\.h|mosquitto|libpq|microhttpd|nats)')
}

# Each of these has a replacement in core/base or in libc that cannot overflow, truncate in silence,
# start a shell or share state between threads.
unsafe='strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|atoll|atof|system|popen|alloca|rand'
unsafe+='|srand|random|tmpnam|mktemp|tempnam|usleep|signal|localtime|gmtime|asctime|ctime|strerror'
# Libraries report through struct ph_error and ph_log(); only a program talks and ends.
talking='printf|vprintf|puts|putchar|perror|exit|_exit|_Exit|quick_exit|abort|err|errx|warn|warnx'

check_calls() {
    local file words
    while read -r file; do
        words=$unsafe
        case $file in
        core/base/random.c) ;; # aborts when the kernel has no randomness: no key may be made then
        device/fleet/process.c) words+="|${talking/|_exit/}" ;; # ends the process that it has forked
        *_test*.c | */test_* | *_fuzz.c) continue ;;
        */main.c | */cmd_*.c | */*_command.c | core/base/cli.c) ;;
        *) words+="|$talking|fprintf\\s*\\(\\s*std(out|err)" ;;
        esac
        awk -f "$here/blank.awk" "$file" |
            grep -nP "(?<![A-Za-z0-9_>.])(?:$words)\\s*\\(" |
            grep -vP '^\d+:\s*#\s*define' | sed "s|^|$file:|"
    done < <(project_sources)
}

# refused_in_broken_tree CHECK COUNT: the check must complain that many times about the planted tree.
refused_in_broken_tree() {
    local found
    found=$(cd "$WORK/broken" && "$1")
    if [ "$(grep -c . <<<"$found")" = "$2" ]; then
        ok "$1 finds the $2 planted breaches"
    else
        fail "$1: want $2 findings in the broken tree, have: $found"
    fi
}

clean_in_project() {
    local found
    found=$(cd "$PH_SOURCE" && "$1")
    if [ -z "$found" ]; then
        ok "$1 finds nothing in the project"
    else
        fail "$1: $found"
    fi
}

make_broken_tree() {
    mkdir -p "$WORK/broken"/{core/base,core/format,adapters,certs,device,ingest}
    cd "$WORK/broken" || exit 1
    printf '#include "format/topic.h"\n#include <string.h>\n' >core/base/up.c
    printf '#include "base/error.h"\n#include "adapters/mqtt.h"\n' >core/format/up.h
    printf '#include "device/spool.h"\n#include "ingest/store.h"\n' >ingest/sideways.c
    printf '#include <sqlite3.h>\n' >ingest/store.c
    printf '#include <openssl/x509.h>\n#include <MQTTAsync.h>\n' >adapters/mqtt.h
    printf '#include <MQTTAsync.h>\n' >adapters/mqtt_client.c
    cat >device/calls.c <<'END'
/* strcpy( in a comment */ const char *a = "sprintf(";
void f(char *b) { strcpy(b, a); thing.system(b); my_strcpy(b); }
void g(void) { printf("%d\n", 1); snprintf(0, 0, ""); fprintf(stderr, "x"); }
void h(void) { exit(1); fprintf(out, "x"); on_exit_do(2); }
END
    printf 'int main(void) { printf("x"); exit(1); }\n' >device/main.c
}

test_begin "layers, library wrapping, banned calls"
make_broken_tree
refused_in_broken_tree check_layers 3
refused_in_broken_tree check_vendors 3
refused_in_broken_tree check_calls 3
clean_in_project check_layers
clean_in_project check_vendors
clean_in_project check_calls
test_end
