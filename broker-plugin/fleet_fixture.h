/* A fleet for tests: a PKI made at run time with as many devices as wanted, a policy, a broker that
 * notes what it asks of its host, and clocks that move only when told. Any failure fails the test.
 */
#ifndef PH_BROKER_PLUGIN_FLEET_FIXTURE_H
#define PH_BROKER_PLUGIN_FLEET_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker-plugin/broker.h"
#include "x509/certificate.h"
#include "x509/issue.h"

#define FLEET_NOW_MS  INT64_C(1790000000000)
#define FLEET_HOUR_MS INT64_C(3600000)
#define FLEET_DAY_MS  INT64_C(86400000)

/* Anchor "devices" has root, devices and field; anchor "services" has root and services. */
enum fleet_ca { FLEET_ROOT, FLEET_DEVICES, FLEET_FIELD, FLEET_SERVICES, FLEET_CA_COUNT };

#define FLEET_REVOKED_MAX 64

struct fleet_authority {
    struct ph_key *key;
    struct ph_certificate *certificate;
    char revoked[FLEET_REVOKED_MAX][PH_SERIAL_BYTES];
    size_t revoked_count;
};

/* A certificate, and the connection of whoever has it: its own address is the client's. */
struct fleet_device {
    struct ph_key *key;
    struct ph_certificate *certificate;
    struct ph_certificate_facts facts;
    char client_id[256];
    char user_name[PH_USER_NAME_BYTES]; /* as the broker gave it when it was admitted last */
};

struct fleet {
    char dir[32];
    struct fleet_authority authorities[FLEET_CA_COUNT];
    int64_t crl_number;
    struct ph_broker *broker;
    int64_t now_ms;
    int64_t now_monotonic_ms;
    char *told; /* "kick <user name>\n", "kick-client <client id>\n" and
                   "publish <topic> <payload>\n", as the host was told */
    size_t told_len;
    size_t kicks;
    size_t publishes;
    void (*on_kick)(struct fleet *fleet, const char *name); /* NULL: nothing more */
};

/* The policy's file, and the deny-list that it names. */
#define FLEET_POLICY "policy.yaml"
#define FLEET_DENY   "deny.txt"

/* What the policy begins with unless a test says otherwise, and its roles. */
extern const char fleet_anchors[];
extern const char fleet_roles[];

/* Makes the folder, the CAs with CRLs that last a week, and the policy. */
void fleet_init(struct fleet *fleet);
void fleet_fini(struct fleet *fleet);

/* "<folder>/<name>", borrowed until the next call but three. */
const char *fleet_path(const struct fleet *fleet, const char *name);

/* Replaces a file as a careful operator does: a new one beside it, then a rename. */
void fleet_write(const struct fleet *fleet, const char *name, const char *text);

/* The policy made of these two; NULL: as at first. */
void fleet_write_policy(const struct fleet *fleet, const char *anchors, const char *roles);

/* A CA's CRL, with who was revoked so far, that ends then. */
void fleet_write_crl(struct fleet *fleet, enum fleet_ca ca, int64_t next_update_ms);
void fleet_revoke(struct fleet *fleet, enum fleet_ca ca, const char *serial);

/* A certificate of CN `name`, kind thermostat (kind service below FLEET_SERVICES). */
void fleet_issue(struct fleet *fleet, struct fleet_device *out, enum fleet_ca ca,
    const char *tenant, const char *name, int64_t not_after_ms);
/* The same for the key that `device` has. */
void fleet_renew(struct fleet *fleet, struct fleet_device *out, const struct fleet_device *device,
    enum fleet_ca ca, const char *tenant, const char *name);
void fleet_device_fini(struct fleet_device *device);

/* Opens a broker with an audit file "audit.jsonl" and a fit configuration; what was told and logged
 * before is forgotten. */
void fleet_open(struct fleet *fleet);

/* The same, and may fail. */
enum ph_err fleet_try_open(struct fleet *fleet, struct ph_error *error) PH_NODISCARD;
void fleet_close(struct fleet *fleet);

/* A CONNECT of the device, and the end of its connection. */
enum ph_verdict fleet_connect(struct fleet *fleet, struct fleet_device *device);
void fleet_end(struct fleet *fleet, const struct fleet_device *device);

/* Whether its connection may do so now. */
bool fleet_may(struct fleet *fleet, const struct fleet_device *device, enum ph_access_type type,
    const char *topic);
bool fleet_send(struct fleet *fleet, const struct fleet_device *device, const char *topic,
    size_t payload_bytes);

/* One turn of the broker's loop, `after_ms` later on both clocks. */
void fleet_tick(struct fleet *fleet, int64_t after_ms);

/* Seconds pass, each with time for the loader to do what it is asked. */
void fleet_pass(struct fleet *fleet, int seconds);

/* A second passes, and the broker turns until a load was taken up or refused. */
void fleet_wait_reload(struct fleet *fleet);

/* The broker turns until nothing is left to do. */
void fleet_settle(struct fleet *fleet);

/* Both. */
void fleet_reload(struct fleet *fleet);

/* Whether the host was told, the log says, the audit file holds this text. */
bool fleet_told(const struct fleet *fleet, const char *text);
bool fleet_logged(const char *text);
bool fleet_audited(const struct fleet *fleet, const char *text);
size_t fleet_audited_count(const struct fleet *fleet, const char *text);
void fleet_forget(struct fleet *fleet);

#endif
