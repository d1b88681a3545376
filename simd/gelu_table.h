/* gelu_table.h: gelu (approximate=none) on 32 intervals, each a polynomial of degree 7.
 *
 * Interval i is |(1 - x/7.5)^2 8 - i| <= 1/2: narrow where the left tail falls off, wide where
 * gelu(x) nears x, and number 8 has its centre at 0. First come the centres c, then for k = 0..7
 * the coefficients of (x - c)^k, which Sollya's fpminimax fitted: relative error 6.7e-8 at most.
 * The -0 of number 8 keeps the sign of x = -0.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_GELU_TABLE_H
#define KM_GELU_TABLE_H

/* clang-format off */
static const _Alignas(64) float gelu_table[9][32] = {
    {
        0x1.8cp2f, 0x1.2bp2f, 0x1.ccp1f, 0x1.62p1f, 0x1.0ap1f, 0x1.74p0f, 0x1.dp-1f, 0x1.9p-2f, 0,
        -0x1.18p-1f, -0x1.fp-1f, -0x1.6p0f, -0x1.c4p0f, -0x1.1p1f, -0x1.3ep1f, -0x1.6cp1f,
        -0x1.96p1f, -0x1.cp1f, -0x1.e8p1f, -0x1.08p2f, -0x1.1bp2f, -0x1.2dp2f, -0x1.4p2f,
        -0x1.51p2f, -0x1.63p2f, -0x1.74p2f, -0x1.85p2f, -0x1.95p2f, -0x1.a5p2f, -0x1.b5p2f,
        -0x1.c5p2f, -0x1.d4p2f,
    },
    {
        0x1.8cp2f, 0x1.2affe2p2f, 0x1.cbeccep1f, 0x1.60fe9p1f, 0x1.04fc76p1f, 0x1.58cf1p0f,
        0x1.7b5d96p-1f, 0x1.04c8fep-2f, -0.0f, -0x1.474cd8p-3f, -0x1.4a0232p-3f, -0x1.dc462ep-4f,
        -0x1.18174ap-4f, -0x1.24568p-5f, -0x1.082058p-6f, -0x1.9f7868p-8f, -0x1.3ad6d2p-9f,
        -0x1.aae05p-11f, -0x1.12fa5cp-12f, -0x1.40b6a4p-14f, -0x1.6af396p-16f, -0x1.94536ep-18f,
        -0x1.80bcbap-20f, -0x1.8af6bcp-22f, -0x1.5a6b94p-24f, -0x1.334be2p-26f, -0x1.fbe386p-29f,
        -0x1.afa958p-31f, -0x1.58946cp-33f, -0x1.025b42p-35f, -0x1.6be422p-38f, -0x1.0ddbeap-40f,
    },
    {
        0x1p0f, 0x1.00021ep0f, 0x1.0088b4p0f, 0x1.057082p0f, 0x1.13ab04p0f, 0x1.20ebd6p0f,
        0x1.0eb08p0f, 0x1.97bb84p-1f, 0x1p-1f, 0x1.ab78b4p-4f, -0x1.34d38ap-4f, -0x1.0752eep-3f,
        -0x1.c06af2p-4f, -0x1.265aa6p-4f, -0x1.3dbe72p-5f, -0x1.21708ep-6f, -0x1.ec698cp-8f,
        -0x1.71da9p-9f, -0x1.0430bp-10f, -0x1.48ee38p-12f, -0x1.8f87a8p-14f, -0x1.d9ca4cp-16f,
        -0x1.df9f98p-18f, -0x1.036334p-19f, -0x1.df81bep-22f, -0x1.bdda8p-24f, -0x1.81600ep-26f,
        -0x1.5511fep-28f, -0x1.1b103ep-30f, -0x1.b8a78ep-33f, -0x1.41b968p-35f, -0x1.ed04f4p-38f,
    },
    {
        -0x1.a9364ep-25f, -0x1.1e0036p-14f, -0x1.bf1aaap-9f, -0x1.92f5eap-6f, -0x1.b52e78p-5f,
        -0x1.fb7e7cp-8f, 0x1.3f5c86p-3f, 0x1.5da0d2p-2f, 0x1.988452p-2f, 0x1.2b2c22p-2f,
        0x1.0f3cfp-3f, 0x1.15c3bcp-7f, -0x1.802f4ep-5f, -0x1.ade3a2p-5f, -0x1.376fa8p-5f,
        -0x1.5cdb0ap-6f, -0x1.5860f4p-7f, -0x1.251c16p-8f, -0x1.c9629ep-10f, -0x1.3d073p-11f,
        -0x1.a0dac6p-13f, -0x1.08d83cp-14f, -0x1.1ed856p-16f, -0x1.4847f6p-18f, -0x1.40fb32p-20f,
        -0x1.39cc3ap-22f, -0x1.1c7318p-24f, -0x1.06b99ap-26f, -0x1.c642ecp-29f, -0x1.6fb2b2p-31f,
        -0x1.16beaap-33f, -0x1.b9e984p-36f,
    },
    {
        0x1.64ea48p-23f, 0x1.aa381ap-14f, 0x1.b62644p-9f, 0x1.dfd6e4p-7f, 0x1.4d1d62p-8f,
        -0x1.0406b6p-4f, -0x1.04295ap-3f, -0x1.7b46p-4f, 0x1.600c3ep-28f, 0x1.daad8cp-4f,
        0x1.f9390cp-4f, 0x1.32edf8p-4f, 0x1.6536e8p-6f, -0x1.f34314p-8f, -0x1.0c8cd4p-6f,
        -0x1.bc1012p-7f, -0x1.11c4fep-7f, -0x1.133d2ap-8f, -0x1.e885bep-10f, -0x1.79da1ep-11f,
        -0x1.103522p-12f, -0x1.75ed58p-14f, -0x1.b480d4p-16f, -0x1.09b494p-17f, -0x1.141cb6p-19f,
        -0x1.1cdd2cp-21f, -0x1.0fa93ap-23f, -0x1.068788p-25f, -0x1.d9e826p-28f, -0x1.8fb2d4p-30f,
        -0x1.3b28d2p-32f, -0x1.02d51p-34f,
    },
    {
        -0x1.2e848p-23f, -0x1.fb9f12p-14f, -0x1.18f76cp-9f, -0x1.b48034p-9f, 0x1.d68508p-7f,
        0x1.2bbd6cp-5f, 0x1.81cb2ep-7f, -0x1.73b978p-5f, -0x1.10552p-4f, -0x1.d38aa4p-6f,
        0x1.2004b4p-6f, 0x1.2bb586p-5f, 0x1.cf132p-6f, 0x1.99d616p-7f, 0x1.bde806p-11f,
        -0x1.e8e47cp-9f, -0x1.eef12ep-9f, -0x1.458db6p-9f, -0x1.58ffeep-10f, -0x1.32da7cp-11f,
        -0x1.edc9e4p-13f, -0x1.73413p-14f, -0x1.d7cd98p-16f, -0x1.33b4d6p-17f, -0x1.55d3b2p-19f,
        -0x1.75fd0ap-21f, -0x1.78a64ap-23f, -0x1.7dfaaap-25f, -0x1.68dbb4p-27f, -0x1.3de99ap-29f,
        -0x1.054ca4p-31f, -0x1.bd4dfp-34f,
    },
    {
        -0x1.022fc4p-24f, 0x1.5272d4p-14f, 0x1.b02d5ap-11f, -0x1.6a2102p-10f, -0x1.1692a2p-7f,
        -0x1.4eb88ep-10f, 0x1.3c3a0ep-6f, 0x1.4385b6p-6f, 0x1.d2d35cp-25f, -0x1.815d58p-6f,
        -0x1.1bb6d2p-6f, -0x1.892254p-10f, 0x1.0b16d8p-7f, 0x1.11e578p-7f, 0x1.23966p-8f,
        0x1.e4fff6p-11f, -0x1.369b18p-11f, -0x1.bbd44cp-11f, -0x1.41dddap-11f, -0x1.5d9126p-12f,
        -0x1.444076p-13f, -0x1.1032f4p-14f, -0x1.7e786cp-16f, -0x1.0d7e7cp-17f, -0x1.42ac36p-19f,
        -0x1.786066p-21f, -0x1.9241b4p-23f, -0x1.ad59fep-25f, -0x1.a9bb54p-27f, -0x1.88c47cp-29f,
        -0x1.51669ep-31f, -0x1.2aa29cp-33f,
    },
    {
        0x1.117d76p-23f, -0x1.f4c466p-19f, 0x1.0fe7fp-15f, 0x1.8df47p-10f, 0x1.24cc8ep-9f,
        -0x1.7557aap-8f, -0x1.176896p-8f, 0x1.81401cp-9f, 0x1.4329c2p-7f, 0x1.82dc56p-9f,
        -0x1.85b2bap-8f, -0x1.9682eep-8f, 0x1.ed1d3ep-15f, 0x1.3eeafap-9f, 0x1.c561a8p-10f,
        0x1.42354ep-10f, 0x1.011196p-12f, -0x1.27b9f8p-14f, -0x1.8d32f4p-13f, -0x1.0ff546p-13f,
        -0x1.28b6aep-14f, -0x1.2c4a2cp-15f, -0x1.dc33ccp-17f, -0x1.6e2546p-18f, -0x1.e0ad12p-20f,
        -0x1.26e8aep-21f, -0x1.50259p-23f, -0x1.801ffep-25f, -0x1.94a59ap-27f, -0x1.82b884p-29f,
        -0x1.55d81cp-31f, -0x1.41c17ap-33f,
    },
    {
        -0x1.727a7p-25f, -0x1.efdfd6p-17f, -0x1.7f4f22p-13f, -0x1.5b6008p-11f, -0x1.3d8b6cp-10f,
        0x1.064a0ap-9f, -0x1.6e588ap-9f, 0x1.3733cap-10f, -0x1.62bf44p-18f, 0x1.30e656p-9f,
        0x1.44b75ep-9f, -0x1.3b694p-17f, -0x1.94c2c2p-8f, -0x1.ffb226p-9f, 0x1.5cfefap-11f,
        0x1.2c1574p-12f, 0x1.6cea9ap-11f, 0x1.53e622p-13f, 0x1.9fb992p-14f, -0x1.382ca2p-16f,
        -0x1.128d74p-15f, -0x1.0a8a9ep-16f, -0x1.fe2d8ap-18f, -0x1.d974ap-19f, -0x1.4e7542p-20f,
        -0x1.f69e8p-22f, -0x1.36c08p-23f, -0x1.6c2c92p-25f, -0x1.8c23b6p-27f, -0x1.a9d014p-29f,
        -0x1.a7bb5cp-31f, -0x1.85cfd2p-33f,
    },
};
/* clang-format on */

#endif
