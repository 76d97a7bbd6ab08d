# SPDX-License-Identifier: Apache-2.0
from deploy_town import deployer, registry, town

__all__ = ["deployer", "registry", "town"]
