from vidferry_worker.fragment_budget import FragmentBudget


def test_a_sites_share_is_never_more_than_all_may_have_and_one_at_least() -> None:
    budget = FragmentBudget(per_site=8)
    with budget.reserve("a.example", 6) as first, budget.reserve("a.example", 6) as second:
        with budget.reserve("a.example", 6) as third, budget.reserve("b.example", 6) as other:
            assert (first, second, third, other) == (6, 2, 1, 6)
        with budget.reserve("a.example", 6) as again:
            assert again == 1
    with budget.reserve("a.example", 6) as later:
        assert later == 6
