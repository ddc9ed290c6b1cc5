"""The hierarchy above a time entry: subtask, task, project, customer, organization; and the currency that it decides."""

from dataclasses import dataclass

import polars as pl

from .lookup import lookup


@dataclass(frozen=True, slots=True, kw_only=True)
class Hierarchy:
    """The raw tables of these names."""

    subtasks: pl.LazyFrame
    tasks: pl.LazyFrame
    projects: pl.LazyFrame
    customers: pl.LazyFrame
    organization: pl.LazyFrame

    @property
    def terms(self) -> pl.LazyFrame:
        """`project_terms` of its projects."""
        return project_terms(projects=self.projects, customers=self.customers, organization=self.organization)

    def complete(self, work: pl.LazyFrame) -> pl.LazyFrame:
        """Fills in what rows do not say: task_id, project_id, customer_id, billing_type, currency. Adds project_currency.

        A value that a row has stays; else it is the subtask's, task's, project's, customer's, organization's.
        """
        terms = self.terms.collect().lazy()
        return (
            work.with_columns(
                pl.coalesce("task_id", lookup("subtask_id", self.subtasks, "task_id")).alias("task_id"),
                pl.coalesce("billing_type", lookup("subtask_id", self.subtasks, "billing_type")).alias("billing_type"),
            )
            .with_columns(pl.coalesce("project_id", lookup("task_id", self.tasks, "project_id")).alias("project_id"))
            .with_columns(
                pl.coalesce("customer_id", lookup("project_id", terms, "customer_id", by="project_id")).alias(
                    "customer_id"
                ),
                pl.coalesce("currency", lookup("project_id", terms, "currency", by="project_id")).alias("currency"),
                lookup("project_id", terms, "project_currency", by="project_id").alias("project_currency"),
            )
            .pipe(with_customer_currency, customers=self.customers, organization=self.organization)
        )


def project_terms(*, projects: pl.LazyFrame, customers: pl.LazyFrame, organization: pl.LazyFrame) -> pl.LazyFrame:
    """Each project's customer and currency.

    Returns:
        project_id, customer_id, currency (its own, may be null), project_currency (its own, else its customer's, else the
        organization's).
    """
    own = projects.select(
        pl.col("id").alias("project_id"), "customer_id", "currency", pl.col("currency").alias("own_currency")
    )
    return with_customer_currency(own, customers=customers, organization=organization).select(
        "project_id",
        "customer_id",
        pl.col("own_currency").alias("currency"),
        pl.col("currency").alias("project_currency"),
    )


def with_customer_currency(frame: pl.LazyFrame, *, customers: pl.LazyFrame, organization: pl.LazyFrame) -> pl.LazyFrame:
    """Where `currency` is missing: the customer's, else the organization's."""
    of_organization = organization.select(pl.col("currency").first()).collect().item()
    known = pl.coalesce("currency", lookup("customer_id", customers, "currency"), pl.lit(of_organization, pl.String))
    return frame.with_columns(known.alias("currency"))
