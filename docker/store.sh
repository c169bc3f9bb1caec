# shellcheck shell=sh disable=SC2034,SC2154 # variables cross the files
# Where ingest stores: what STORE says; without it in the server of this stack, once it has had one, so that neither a
# profile that was forgotten nor a server that is down makes a second store. Read lib.sh first.

# choose_store: into `store` sqlite or postgres, into `config` the file that says how.
choose_store() {
    store=${STORE:-}
    if [ -z "$store" ]; then
        store=sqlite
        [ ! -e "$home/issued/postgres" ] || store=postgres
    fi
    case $store in
    sqlite) config=/etc/phonehome/ingest.yaml ;;
    postgres) config=/etc/phonehome/postgres.yaml ;;
    *) fail "STORE: want sqlite or postgres, have $store" ;;
    esac
}
