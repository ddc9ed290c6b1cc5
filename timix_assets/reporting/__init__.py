"""What people take away: the executive summary and how old its figures are."""
