/* A small policy for tests: devices and services, as shipped. The texts are literals, so it is
 * never freed. */
#ifndef PH_DOMAIN_POLICY_FIXTURE_H
#define PH_DOMAIN_POLICY_FIXTURE_H

#include "domain/policy.h"

struct policy_fixture {
    char *files[1];
    char *tenants[2];
    char *device_publish[3];
    char *device_will[1];
    char *device_subscribe[2];
    char *ingest_publish[2];
    char *ingest_subscribe[2];
    char *ingest_receive[1];
    struct ph_anchor anchors[2];
    struct ph_role roles[3];
    struct ph_policy policy;
};

static inline char *text(const char *literal)
{
    union {
        const char *in;
        char *out;
    } cast = {literal};
    return cast.out;
}

static inline void policy_fixture_init(struct policy_fixture *f)
{
    *f = (struct policy_fixture){
        .files = {text("x.pem")},
        .tenants = {text("acme"), text("globex")},
        .device_publish = {text("ph/v1/{tenant}/{kind}/{device}/telemetry"),
            text("ph/v1/{tenant}/{kind}/{device}/status"),
            text("ph/v1/{tenant}/{kind}/{device}/reply")},
        .device_will = {text("ph/v1/{tenant}/{kind}/{device}/status")},
        .device_subscribe = {text("ph/v1/{tenant}/{kind}/{device}/+"), text("ph/v1/ingest/status")},
        .ingest_publish = {text("ph/v1/+/+/+/ack"), text("ph/v1/ingest/status")},
        .ingest_subscribe = {text("ph/v1/+/+/+/telemetry"), text("$SYS/broker/uptime")},
        .ingest_receive = {text("ph/v1/+/+/+/telemetry")},
    };
    f->anchors[0] = (struct ph_anchor){.name = text("devices"),
        .ca_files = f->files,
        .ca_file_count = 1,
        .crl_files = f->files,
        .crl_file_count = 1,
        .crl_required = true,
        .tenants = f->tenants,
        .tenant_count = 2};
    f->anchors[1] =
        (struct ph_anchor){.name = text("services"), .ca_files = f->files, .ca_file_count = 1};
    f->roles[0] = (struct ph_role){.name = text("lab"),
        .match = {.anchor = text("devices"), .device = text("lab-*")},
        .client_id = text("lab/{tenant}/{kind}/{device}")};
    f->roles[1] = (struct ph_role){.name = text("device"),
        .match = {.anchor = text("devices"), .kind = text("thermostat")},
        .client_id = text("{tenant}/{kind}/{device}"),
        .publish = {f->device_publish, 3},
        .will = {f->device_will, 1},
        .subscribe = {f->device_subscribe, 2}};
    f->roles[2] = (struct ph_role){.name = text("ingest"),
        .match = {.anchor = text("services"),
            .tenant = text("acme"),
            .kind = text("service"),
            .device = text("ingest")},
        .client_id = text("ingest"),
        .publish = {f->ingest_publish, 2},
        .subscribe = {f->ingest_subscribe, 2},
        .receive = {f->ingest_receive, 1}};
    f->policy = (struct ph_policy){
        .anchors = f->anchors, .anchor_count = 2, .roles = f->roles, .role_count = 3};
}

#endif
