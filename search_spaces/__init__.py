"""Model spaces for one-shot architecture search through NNI."""

import warnings

# NNI 3.0 wraps every class of torch.nn and warns about the two that newer PyTorch versions added.
warnings.filterwarnings("ignore", message=".* is found to be not a nn.Module", module="nni")
