#include "certs/commands.h"

static const struct ph_cli_program program = {
    .name = "ph-ca",
    .summary =
        "The certificate authority: who is a device, a broker or a service, and who no longer.",
    .commands =
        (const struct ph_cli_command[]){
            {"init", "DIR", 1, 1, "Make a root, its subordinate CAs and an inventory in DIR.",
                ph_ca_init_options, ph_ca_cmd_init},
            {"issue", "device|broker|service [NAME...]", 1, -1,
                "Make a key and a certificate for each NAME.", ph_ca_issue_options,
                ph_ca_cmd_issue},
            {"revoke", "[TENANT/KIND/DEVICE]", 0, 1, "Revoke certificates and sign the CRLs anew.",
                ph_ca_revoke_options, ph_ca_cmd_revoke},
            {"crl", NULL, 0, 0, "Sign the CRLs anew.", ph_ca_crl_options, ph_ca_cmd_crl},
            {"list", NULL, 0, 0, "List every certificate ever issued.", ph_ca_list_options,
                ph_ca_cmd_list},
            {"show", "SERIAL|FILE", 1, 1, "Show one certificate.", ph_ca_show_options,
                ph_ca_cmd_show},
            {0},
        },
};

int main(int argc, char **argv)
{
    return ph_cli_main(&program, argc, argv);
}
