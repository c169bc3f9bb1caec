/* A number of clients with certificates of ph-bench-pki, connected before anything is measured. */
#ifndef PH_BENCH_MEMBERS_H
#define PH_BENCH_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cli.h"
#include "base/error.h"
#include "client.h"

struct ph_members;

struct ph_member {
    struct ph_members *group;
    struct ph_bench_client *client;
    size_t index;
    char topic[96]; /* its telemetry */
    bool connected;
    bool subscribed;
    unsigned reason; /* of the CONNACK, SUBACK or DISCONNECT that ended it */
    int64_t sent;
    int64_t confirmed;
    int64_t due_ns;
    int64_t closed_ns; /* when the connection ended; 0: it has not */
};

struct ph_members {
    struct ph_bench_client_loop *loop; /* borrowed; one thread's groups may share it */
    const char *pki;
    int port;
    bool subscribers; /* they are acme/service/ingest, else acme/thermostat/d-N */
    size_t first;     /* N of the first */
    size_t count;
    /* Called after the group's own bookkeeping; either may be NULL. */
    void (*event)(struct ph_member *member, enum ph_bench_client_event event, unsigned reason);
    void (*message)(struct ph_member *member, const struct ph_bench_client_message *message);
    void *context;
    struct ph_member *members; /* made by ph_members_open() */
    size_t connected;
    size_t refused;
    size_t closed;
    size_t subscribed;
};

#define PH_MEMBERS_FILTER "ph/v1/+/+/+/telemetry"

enum ph_err ph_members_open(struct ph_members *group, struct ph_error *error) PH_NODISCARD;
void ph_members_close(struct ph_members *group);

/* Connects all, a few at a time; with subscribers they also subscribe to PH_MEMBERS_FILTER. An
 * error when one is refused or the time is up. */
enum ph_err ph_members_connect(
    struct ph_members *group, int64_t timeout_ms, struct ph_error *error) PH_NODISCARD;

/* What every command needs: --pki, --port, --broker. */
struct ph_target {
    const char *pki;
    int port;
    pid_t broker;
};
enum ph_err ph_target_read(
    const struct ph_cli *cli, struct ph_target *out, struct ph_error *error) PH_NODISCARD;

#define PH_TARGET_OPTIONS                                                                          \
    {"pki", "DIR", "folder made by ph-bench-pki (pki)"},                                           \
        {"port", "P", "the broker's port on 127.0.0.1 (8883)"},                                    \
    {                                                                                              \
        "broker", "PID", "the broker's process, for its CPU time and memory"                       \
    }

/* The commands of ph-bench-clients. */
enum ph_err ph_cmd_rate(const struct ph_cli *cli, struct ph_error *error);
extern const struct ph_cli_option ph_cmd_rate_options[];
enum ph_err ph_cmd_connects(const struct ph_cli *cli, struct ph_error *error);
extern const struct ph_cli_option ph_cmd_connects_options[];
enum ph_err ph_cmd_cut_off(const struct ph_cli *cli, struct ph_error *error);
extern const struct ph_cli_option ph_cmd_cut_off_options[];
enum ph_err ph_cmd_neighbours(const struct ph_cli *cli, struct ph_error *error);
extern const struct ph_cli_option ph_cmd_neighbours_options[];
enum ph_err ph_cmd_hold(const struct ph_cli *cli, struct ph_error *error);
extern const struct ph_cli_option ph_cmd_hold_options[];
enum ph_err ph_cmd_enrol(const struct ph_cli *cli, struct ph_error *error);
extern const struct ph_cli_option ph_cmd_enrol_options[];
enum ph_err ph_cmd_renew(const struct ph_cli *cli, struct ph_error *error);
extern const struct ph_cli_option ph_cmd_renew_options[];
enum ph_err ph_cmd_stall(const struct ph_cli *cli, struct ph_error *error);
extern const struct ph_cli_option ph_cmd_stall_options[];

#endif
