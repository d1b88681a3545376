/* conv2d_cases.h: layers of ResNet-50, VGG-16, MobileNetV2 and LeNet-5, and shapes that no model has.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_REF_CONV2D_CASES_H
#define KM_REF_CONV2D_CASES_H

#include <stddef.h>

#include "models.h"

/* clang-format off */
/* Layers of ResNet-50 and MobileNetV2 with half their height and width, or a quarter of the channels: the
 * oracle has to follow. */
static const char *const quick[] = {
    "n1c3h64w64k64r7s7_stride2_pad3", "n1c64h28w28k64r3s3_pad1", "n1c64h28w28k256",
    "n1c128h28w28k128r3s3_stride2_pad1", "n1c512h14w14k128", "n1c256h7w7k256r3s3_pad1",
    "n1c32h56w56k32r3s3_pad1_groups32", "n1c96h56w56k96r3s3_stride2_pad1_groups96",
    "n1c960h7w7k960r3s3_pad1_groups960 @mobilenet_v2",
    "n32c1h28w28k6r5s5_pad2 @lenet5", "n32c6h14w14k16r5s5 @lenet5", "n4c17h19w23k33r3s3_pad1",
    "n1c64h28w28k64r3s3_pad1_algorithm=winograd @winograd",
    NULL};

#define WINOGRAD_AT(n, layer) n layer "r3s3_pad1_algorithm=winograd @winograd"
#define WINOGRAD(layer) WINOGRAD_AT("n1", layer), WINOGRAD_AT("n8", layer)

static const char *const full[] = {
    /* ResNet-50 */
    RESNET50("c3h224w224k64r7s7_stride2_pad3"), RESNET50("c64h56w56k64r3s3_pad1"), RESNET50("c64h56w56k256"),
    RESNET50("c128h56w56k128r3s3_stride2_pad1"), RESNET50("c1024h14w14k256"), RESNET50("c512h7w7k512r3s3_pad1"),
    RESNET50("c64h56w56k64"), RESNET50("c256h56w56k64"), RESNET50("c256h56w56k128"),
    RESNET50("c128h28w28k128r3s3_pad1"), RESNET50("c128h28w28k512"),
    RESNET50("c256h56w56k512_stride2"), RESNET50("c512h28w28k128"), RESNET50("c512h28w28k256"),
    RESNET50("c256h28w28k256r3s3_stride2_pad1"), RESNET50("c256h14w14k256r3s3_pad1"),
    RESNET50("c256h14w14k1024"), RESNET50("c512h28w28k1024_stride2"), RESNET50("c1024h14w14k512"),
    RESNET50("c512h14w14k512r3s3_stride2_pad1"), RESNET50("c512h7w7k2048"),
    RESNET50("c1024h14w14k2048_stride2"), RESNET50("c2048h7w7k512"),
    /* VGG-16 */
    VGG16("c3h224w224k64r3s3_pad1"), VGG16("c64h224w224k64r3s3_pad1"),
    VGG16("c64h112w112k128r3s3_pad1"), VGG16("c128h112w112k128r3s3_pad1"),
    VGG16("c128h56w56k256r3s3_pad1"), VGG16("c256h56w56k256r3s3_pad1"),
    VGG16("c256h28w28k512r3s3_pad1"), VGG16("c512h28w28k512r3s3_pad1"),
    VGG16("c512h14w14k512r3s3_pad1"),
    /* MobileNetV2 */
    MOBILENET_V2("c3h224w224k32r3s3_stride2_pad1"), MOBILENET_V2("c32h112w112k32r3s3_pad1_groups32"),
    MOBILENET_V2("c32h112w112k16"), MOBILENET_V2("c16h112w112k96"),
    MOBILENET_V2("c96h112w112k96r3s3_stride2_pad1_groups96"), MOBILENET_V2("c96h56w56k24"),
    MOBILENET_V2("c24h56w56k144"), MOBILENET_V2("c144h56w56k144r3s3_pad1_groups144"),
    MOBILENET_V2("c144h56w56k24"), MOBILENET_V2("c144h56w56k144r3s3_stride2_pad1_groups144"),
    MOBILENET_V2("c144h28w28k32"), MOBILENET_V2("c32h28w28k192"),
    MOBILENET_V2("c192h28w28k192r3s3_pad1_groups192"), MOBILENET_V2("c192h28w28k32"),
    MOBILENET_V2("c192h28w28k192r3s3_stride2_pad1_groups192"), MOBILENET_V2("c192h14w14k64"),
    MOBILENET_V2("c64h14w14k384"), MOBILENET_V2("c384h14w14k384r3s3_pad1_groups384"),
    MOBILENET_V2("c384h14w14k64"), MOBILENET_V2("c384h14w14k96"), MOBILENET_V2("c96h14w14k576"),
    MOBILENET_V2("c576h14w14k576r3s3_pad1_groups576"), MOBILENET_V2("c576h14w14k96"),
    MOBILENET_V2("c576h14w14k576r3s3_stride2_pad1_groups576"), MOBILENET_V2("c576h7w7k160"),
    MOBILENET_V2("c160h7w7k960"), MOBILENET_V2("c960h7w7k960r3s3_pad1_groups960"), MOBILENET_V2("c960h7w7k160"),
    MOBILENET_V2("c960h7w7k320"), MOBILENET_V2("c320h7w7k1280"),
    /* LeNet-5 */
    LENET5("c1h28w28k6r5s5_pad2"), LENET5("c6h14w14k16r5s5"), LENET5("c16h5w5k120r5s5"),
    /* awkward */
    "n4c17h19w23k33r3s3_stride2_pad1", "n1c64h28w28k64r5s5_pad2",
    "n1c64h57w57k64r3s3_stride3_pad1", "n1c64h56w56k64r3s3_pad2_dilation2",
    "n1c64h28w28k64r3s3_pad1_groups4", "n1c64h56w56k64r1s7_pad0x3",
    "n8c32h28w28k64r3s3_pad1_groups32", "n8c64h1w1k64r7s7_pad3",
    /* ResNet-50 and VGG-16 again, by Winograd's algorithm */
    WINOGRAD("c64h56w56k64"), WINOGRAD("c128h28w28k128"), WINOGRAD("c256h14w14k256"), WINOGRAD("c512h7w7k512"),
    WINOGRAD("c64h224w224k64"), WINOGRAD("c64h112w112k128"), WINOGRAD("c128h112w112k128"), WINOGRAD("c128h56w56k256"),
    WINOGRAD("c256h56w56k256"), WINOGRAD("c256h28w28k512"), WINOGRAD("c512h28w28k512"), WINOGRAD("c512h14w14k512"),
    NULL};

static const char *const edge[] = {
    "n0c3h5w5k4r3s3_pad1", "n1c1h1w1k1", "n2c3h7w9k5r3s2_stride2x1_pad1x0_dilation1x2",
    "n2c3h10w9k5r4s2_stride1x2_pad2x1", "n1c3h1w1k4r7s7_pad3", "n2c2h2w3k3r5s7_stride3_pad4x3",
    "n3c4h6w5k6r3s3_pad1_groups2", "n2c3h9w7k12r3s3_pad1_groups3",
    "n2c17h9w7k17r3s3_pad1_groups17", "n2c5h11w37k5r3s3_stride2_pad1_groups5",
    "n1c4h8w35k4r5s5_stride2x1_pad2_dilation2_groups4",
    "n1c2h17w15k3r3s3_stride2_pad3_dilation3", "n2c5h4w4k3r2s2_stride3", "n1c3h9w9k2_stride4",
    "n2c6h9w9k4_pad2_groups2", "n1c2h5w5k2r3s3_pad5", "n2c19h5w7k21_stride2",
    "n1c1h3w7k1r1s1_bias0", "n2c6h5w9k9_groups3",
    "n0c3h5w5k4r3s3_pad1_algorithm=winograd", "n1c0h4w5k3r3s3_pad1_algorithm=winograd",
    "n3c5h2w7k9r3s3_pad1_bias0_algorithm=winograd", "n4c33h15w18k40r3s3_pad0x4_algorithm=winograd",
    NULL};
/* clang-format on */

#endif
