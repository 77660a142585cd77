"""A linear model of what a stem gains: ridge regression of few features, as plain numbers."""

from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import model_validator

from nasneurn.configuration import FieldsError, Settings

Values = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

#: Penalties that are tried, a row: the last leaves nothing but the mean.
PENALTIES = (0.01, 0.1, 1.0, 10.0, 1000.0)
#: Standardized features are cut here: no model knows how a gain goes on far from all pairs.
FARTHEST = 4.0


class GainModel(Settings):
    """gain = intercept + coefficients . z, where z = (features - mean) / scale, cut to -4 to 4.

    Attributes:
        features: their names.
        mean, scale: of each, over the pairs that were fitted.
        coefficients: points of gain for each standardized feature.
        intercept: the gain where all features are at their means, in points.
        penalty: of the squared coefficients, for each pair.
    """

    features: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    coefficients: tuple[float, ...]
    intercept: float
    penalty: float

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        each = (self.mean, self.scale, self.coefficients)
        if not self.features or any(len(one) != len(self.features) for one in each):
            raise FieldsError("mean, scale and coefficients need a number for each feature")
        if not all(one > 0 for one in self.scale):
            raise FieldsError(f"scale is {list(self.scale)}; its numbers must be above 0")
        return self

    def standardized(self, values: npt.ArrayLike) -> Values:
        """Features (N, F) in deviations from their means, as they are."""
        return np.asarray((np.asarray(values, np.float64) - self.mean) / self.scale)

    def predict(self, values: npt.ArrayLike) -> Values:
        """The gain for each row of features (N, F), in points."""
        z = self.standardized(values).clip(-FARTHEST, FARTHEST)
        return np.asarray(self.intercept + z @ np.asarray(self.coefficients))

    @classmethod
    def fit(cls, values: Values, gains: Values, features: Sequence[str], penalty: float) -> Self:
        """The ridge regression of gains (N,) on features (N, F).

        A feature that is constant here has no coefficient.
        """
        return cls._path(values, gains, features, (penalty,))[0]

    @classmethod
    def _path(
        cls, values: Values, gains: Values, features: Sequence[str], penalties: Sequence[float]
    ) -> list[Self]:
        """A model for each penalty. All share one small system of equations, so it is solved here
        and not by scikit-learn: a simulation fits some ten thousands.
        """
        mean, scale = values.mean(axis=0), values.std(axis=0)
        varies = np.ptp(values, axis=0) > 1e-12 * np.abs(mean).clip(1e-3)
        scale = np.where(varies, scale, 1.0)
        z = np.where(varies, ((values - mean) / scale).clip(-FARTHEST, FARTHEST), 0.0)
        level = z.mean(axis=0)  # of what was cut
        moments = (z - level).T @ (z - level) / len(z)
        against = (z - level).T @ (gains - gains.mean()) / len(z)
        models = []
        for penalty in penalties:
            found = np.linalg.solve(moments + penalty * np.eye(len(mean)), against)
            models.append(
                cls.model_construct(
                    features=tuple(features),
                    mean=tuple(mean.tolist()),
                    scale=tuple(scale.tolist()),
                    coefficients=tuple(found.tolist()),
                    intercept=float(gains.mean() - level @ found),
                    penalty=penalty,
                )
            )
        return models

    @classmethod
    def chosen(
        cls,
        values: Values,
        gains: Values,
        features: Sequence[str],
        folds: Sequence[tuple[Mask, Mask]],
    ) -> Self:
        """The same with the penalty under which the folds are predicted with the least error.

        Of equal errors the greater penalty is taken.

        Args:
            values, gains, features: as for :meth:`fit`.
            folds: which pairs are fitted, and which are then predicted. Without folds the penalty
                is 1.
        """
        if not folds:
            return cls.fit(values, gains, features, 1.0)
        errors = np.zeros(len(PENALTIES))
        for fitted, held in folds:
            for place, model in enumerate(
                cls._path(values[fitted], gains[fitted], features, PENALTIES)
            ):
                errors[place] += np.square(model.predict(values[held]) - gains[held]).sum()
        best = len(PENALTIES) - 1 - int(errors[::-1].argmin())
        return cls.fit(values, gains, features, PENALTIES[best])
