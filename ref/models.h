/* models.h: layers of known networks as entries of an op's list, at the batch sizes that they are timed with.
 * ResNet-50: He et al. 2016, arXiv 1512.03385; VGG-16: Simonyan and Zisserman 2015, arXiv 1409.1556; MobileNetV2: Sandler et
 * al. 2018, arXiv 1801.04381; LeNet-5: LeCun et al. 1998. SPDX-License-Identifier: Apache-2.0 */
#ifndef KM_REF_MODELS_H
#define KM_REF_MODELS_H

#define RESNET50(layer)     "n1" layer " @resnet50", "n8" layer " @resnet50"
#define VGG16(layer)        "n1" layer " @vgg16", "n8" layer " @vgg16"
#define MOBILENET_V2(layer) "n1" layer " @mobilenet_v2", "n8" layer " @mobilenet_v2"
#define LENET5(layer)       "n1" layer " @lenet5", "n8" layer " @lenet5", "n32" layer " @lenet5"

#endif
